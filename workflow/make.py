"""What `make run`, `report`, `plan`, `status`, `open` and `clean-caches` do, said in plain words.

Settings come by the environment, as make passes its variables, and never through a shell: EXPERIMENT,
PROFILE, GPUS, CORES, TFLOPS, PARTIAL, YES.
"""

import os
import signal
import subprocess
import sys
import webbrowser
from collections.abc import Iterable
from pathlib import Path

from isthmus.caches import cleaning
from isthmus.errors import ConfigError
from isthmus.experiment import experiment_files, layout
from isthmus.machine import running
from isthmus.showing import status

GOES_ON = "What was trained and measured until then is saved; the same command goes on from there."


class Stop(SystemExit):
    """Ends the program with one clear message."""

    def __init__(self, message: str, code: int = 1):
        print(message, file=sys.stderr)
        super().__init__(code)


def asked_for() -> list[str]:
    """The files that EXPERIMENT names: one, also with spaces in its name, or several with spaces between.

    They are read once here, since Snakemake reads them less strictly, and says less of what it cannot read.
    """
    given = os.environ.get("EXPERIMENT", "")
    files = [given] if given and Path(given).exists() else given.split()
    lacking = [file for file in files if not Path(file).exists()]
    if lacking or not files:
        there = " ".join(sorted(map(str, Path("experiments").glob("*.yaml"))))
        raise Stop(
            f"EXPERIMENT: found {' '.join(lacking) or 'nothing'}, which is not there; allowed: a file, or "
            f"several with spaces between, such as config.yaml {there}",
            2,
        )
    try:
        experiment_files.read(files)
    except ConfigError as error:
        raise Stop(f"Error: {error}") from None
    return files


def profile() -> str:
    """The folder of the profile that PROFILE names."""
    given = os.environ.get("PROFILE", "default")
    if given not in (names := sorted(path.name for path in Path("profiles").iterdir())):
        raise Stop(f"PROFILE: found {given}; allowed: {' '.join(names)}", 2)
    return f"profiles/{given}"


def name(files: list[str]) -> str | None:
    """What the experiment is called; None where its files do not say, which Snakemake then complains of."""
    said = experiment_files.read(files).get("experiment")
    return said if isinstance(said, str) else None


def summary(experiment: str | None) -> str:
    """What a run says at its end."""
    return _summary(experiment).read_text(encoding="utf-8").strip() if written(experiment) else ""


def written(experiment: str | None) -> int:
    """When the summary was written, in nanoseconds; 0 where there is none."""
    path = _summary(experiment)
    return path.stat().st_mtime_ns if experiment and path.exists() else 0


def _summary(experiment: str | None) -> Path:
    return Path(layout.results(experiment or ""), layout.SUMMARY)


def snakemake(*arguments: str, **environment: str) -> list:
    """A call of Snakemake: its words and its environment."""
    # A terminal gets one line of progress, anything else (a file, another program) Snakemake's own output.
    progress = ["--logger", "isthmus"] if sys.stderr.isatty() else []
    paths = [str(Path(__file__).resolve().parent), os.environ.get("PYTHONPATH", "")]
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "ISTHMUS_MAKE": "1"}
    call = [sys.executable, "-m", "snakemake", "--workflow-profile", profile(), *progress, *arguments]
    return [call, os.environ | environment]


def watched(call: list[str], environment: dict[str, str]) -> tuple[int, signal.Signals | None]:
    """Run a program to its end; its status, and the signal that came meanwhile.

    Ctrl-C reaches all processes of a terminal, so that it is only waited for what they do about it.
    """
    came: list[signal.Signals] = []

    def note(number: int, _frame) -> None:
        came.append(signal.Signals(number))
        if number == signal.SIGTERM:
            process.send_signal(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    process = subprocess.Popen(call, env=environment)
    try:
        return process.wait(), came[0] if came else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_lock(experiment: str | None) -> None:
    """Remove a dead Snakemake's lock, and say so; end where a living one holds it."""
    try:
        if experiment and (said := running.clear(Path.cwd(), experiment)):
            print(f"Note: {said}", file=sys.stderr)
    except BlockingIOError as error:
        raise Stop(f"Error: {error}") from None


def run() -> int:
    """Make everything; where something failed, a page of what is there."""
    files = asked_for()
    experiment = name(files)
    call = snakemake("--configfile", *files)
    check_lock(experiment)
    before = written(experiment)
    code, came = watched(*call)
    if came:
        raise Stop(f"Stopped by {came.name}. {GOES_ON}", 128 + came)
    if code == 0:
        # The line of progress has said it when it was new, before the figures were made.
        if not (sys.stderr.isatty() and written(experiment) != before):
            print(summary(experiment))
        return 0
    check_lock(experiment)  # another one may have been faster
    page = snakemake(
        "--nolock", "--forcerun", "report", "--configfile", *files, "--", "report", ISTHMUS_PARTIAL="1"
    )
    if subprocess.run(page[0], env=page[1], capture_output=True).returncode == 0:
        print(
            "Not everything could be made. The report shows what is there and names what is missing:",
            file=sys.stderr,
        )
        print(summary(experiment), file=sys.stderr)
    return code


def report() -> int:
    """Write the report again, or one of what is there, which waits for nothing."""
    files = asked_for()
    experiment = name(files)
    partial = bool(os.environ.get("PARTIAL"))
    if not partial:
        check_lock(experiment)
    words = ["--nolock", "--forcerun", "report"] if partial else []
    environment = {"ISTHMUS_PARTIAL": "1"} if partial else {}
    code, came = watched(*snakemake(*words, "--configfile", *files, "--", "report", **environment))
    if came:
        raise Stop(f"Stopped by {came.name}. {GOES_ON}", 128 + came)
    if code == 0:
        print(summary(experiment))
    return code


def plan() -> int:
    """Say what the experiment will cost."""
    asked = {name: os.environ[name] for name in ("GPUS", "CORES", "TFLOPS") if os.environ.get(name)}
    said = ", ".join(f"{name.lower()}: {value}" for name, value in asked.items())
    config = ["--config", f"plan={{{said}}}"] if asked else []
    # It makes no file; and a Snakemake that ends takes away the locks of all others in its folder.
    call = [sys.executable, "-m", "snakemake", "plan", "--quiet", "all", "--no-hooks", "--nolock"]
    call += ["--configfile", *asked_for(), *config]
    return subprocess.run(call).returncode


def show_status() -> int:
    """Say which cells are at which step."""
    status.main(asked_for())
    return 0


def results_of(files: list[str]) -> Path:
    """The folder of an experiment's results: one under `results/`, whatever its files say."""
    experiment = name(files) or ""
    if not experiment.strip(".") or Path(experiment).name != experiment:
        raise Stop(
            f"Error: experiment: found {experiment or 'none'}; allowed: the name of a folder in results/"
        )
    return Path(layout.results(experiment))


def open_report() -> int:
    """Open the report in a browser; where there is none, say where it is."""
    page = results_of(asked_for()) / layout.REPORT
    if not page.exists():
        raise Stop(
            f"There is no {page} yet: `make run` makes it, `make report PARTIAL=1` one of what is there."
        )
    if webbrowser.open(page.resolve().as_uri()):
        print(f"Opening {page}")
    else:
        print(
            f"No browser can be opened here. The report is one file, to be opened anywhere: {page.resolve()}"
        )
    return 0


def clean_caches() -> int:
    """Delete the two caches of an experiment, once that is agreed to."""
    results = results_of(asked_for())
    check_unused(results)
    caches = cleaning.held(results)
    if not caches:
        print(f"{results} has no caches: nothing to free.")
        return 0
    if links := [str(cache.folder) for cache in caches if cache.folder.is_symlink()]:
        raise Stop(
            f"Error: found {links[0]}, which is a link; allowed: a folder. Delete by hand what it leads to"
        )
    print(f"This frees {size(sum(cache.size for cache in caches))}:")
    for cache in caches:
        print(f"  {cache.folder}: {size(cache.size)} in {cache.files:,} files")
    print("Results stay. What is trained or measured later, for more seeds or steps, may have to begin anew.")
    if not agreed():
        print("Nothing was deleted.")
        return 0
    check_unused(results)  # the answer may have taken its time
    try:
        cleaning.remove(caches)
    except OSError as error:
        raise Stop(f"Error: {error}") from None
    print("Deleted.")
    return 0


def check_unused(results: Path) -> None:
    """End where somebody makes these results now."""
    try:
        running.check(Path.cwd(), results.name)
    except BlockingIOError as error:
        raise Stop(f"Error: {error}") from None
    if lock := cleaning.trained(results):
        raise Stop(f"Error: {lock} was held within the last two minutes: a job of {results} may still train")


def agreed() -> bool:
    """Whether YES=1 was given, or the answer on the terminal is yes."""
    if os.environ.get("YES") == "1":
        return True
    if not sys.stdin.isatty():
        raise Stop("Nothing was deleted: there is no terminal to ask at. YES=1 says yes beforehand.")
    try:
        answer = input("Delete them? [yes/no] ")
    except (EOFError, KeyboardInterrupt):
        return False
    return answer.strip().lower() in ("y", "yes")


def size(count: int) -> str:
    """Bytes for people."""
    for unit, power in (("TB", 4), ("GB", 3), ("MB", 2)):
        if count >= 1000**power:
            return f"{count / 1000**power:.1f} {unit}"
    return f"{count / 1000:.0f} kB"


def main(words: Iterable[str]) -> int:
    """Do what make was asked for."""
    (word,) = words
    doing = {"run": run, "report": report, "plan": plan, "status": show_status}
    return (doing | {"open": open_report, "clean-caches": clean_caches})[word]()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
