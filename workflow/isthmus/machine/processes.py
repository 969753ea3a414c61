"""Processes, named so that they are recognised as alive or dead: whoever holds a lock."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Owner:
    """A process, named so that it can be recognised as dead, also after its number was given out again."""

    host: str
    machine: str
    pid: int
    started: str

    @classmethod
    def this(cls) -> Self:
        return cls(socket.gethostname(), machine(), os.getpid(), start_time(os.getpid()) or "")

    def is_here(self) -> bool:
        """True where this process can be looked at from ours."""
        return self.machine == machine() and start_time(self.pid) is not None

    def is_dead(self) -> bool:
        """True where this is a process of our machine that no longer runs (a zombie no longer does)."""
        return self.is_here() and start_time(self.pid) != self.started


def machine() -> str:
    """Where process numbers mean the same processes: hosts and containers can share a name."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        return f"{boot.read_text().strip()} {os.readlink(space)}"
    except OSError:  # not Linux
        return socket.gethostname()


def start_time(pid: int) -> str | None:
    """When a process started, in the kernel's ticks.

    Empty where there is no such process, or only a zombie; None where the system does not tell.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except PermissionError:
        return None
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return ""
        try:
            os.kill(pid, 0)  # not Linux: the number alone must do
        except ProcessLookupError:
            return ""
        except PermissionError:
            return None
        return "unknown"
    return "" if fields[0] in "ZX" else fields[19]
