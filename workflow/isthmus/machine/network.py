"""The Hugging Face hub over the network: how long it may be silent, and its refusals in plain words."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import httpx
from huggingface_hub.utils._http import default_client_factory

from isthmus.errors import ConfigError
from isthmus.machine import failures

PATIENCE = 60.0  # seconds without an answer
PAUSE = 10.0  # seconds that a client waits, at most, before it asks again
# What fetches large files in parts waits for ten minutes and more by itself; three of these are a minute.
XET = {"CONNECT_TIMEOUT": "20s", "READ_TIMEOUT": "20s", "RETRY_MAX_ATTEMPTS": "2"}
TRIES_AGAIN = {408, 429, *range(500, 600)}  # of a hub that may answer otherwise later
FETCH_COMMAND = "snakemake --until fetch_dataset fetch_model"
ELSEWHERE = (
    "Fetching runs where Snakemake runs, and needs internet there (other jobs do not): on a machine that has "
    f"it, fetch beforehand with `{FETCH_COMMAND}`"
)


class Silence(ConnectionError):
    """The hub does not answer; unlike an error of the connection, no client asks again after it."""


class Waiting:
    """Since when the hub owes an answer.

    Its clients bound their patience in ways of their own, which add up: some requests wait for ever, others
    are made six times, for a minute each. Here all that have no answer yet share one minute.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._last = 0.0

    def asked(self, request: httpx.Request) -> None:
        """Bound the time that a request which is about to be made may wait.

        Raises:
            Silence: the ones before it have had no answer for `PATIENCE` seconds.
        """
        now = time.monotonic()
        since = self._since  # read once: another thread may have its answer meanwhile
        # One that failed long ago is none that somebody still waits for.
        if since is None or now - self._last > PATIENCE + PAUSE:
            since = now
        self._since, self._last = since, now
        left = since + PATIENCE - now
        if left <= 0:
            raise Silence(self.in_words())
        limits = request.extensions["timeout"]
        bounded = {kind: left if limit is None else min(limit, left) for kind, limit in limits.items()}
        request.extensions = {**request.extensions, "timeout": bounded}

    def answered(self, _response: httpx.Response) -> None:
        self._since = None

    def in_words(self) -> str:
        """What the hub has failed to do where a request's time is over."""
        since = self._since
        if since is None:
            return f"{constants.ENDPOINT} has stopped in the middle of an answer"
        return f"{constants.ENDPOINT} has not answered for {time.monotonic() - since:.0f} s"


_waiting = Waiting()


def _client() -> httpx.Client:
    """The hub's own client, which waits as `Waiting` says."""
    client = default_client_factory()
    hooks = client.event_hooks
    client.event_hooks = {
        "request": [*hooks["request"], _waiting.asked],
        "response": [*hooks["response"], _waiting.answered],
    }
    return client


@contextmanager
def asking(what: str, repository: str, revision: str | None) -> Iterator[None]:
    """Ask the hub for a repository while the block runs; what goes wrong there becomes one message.

    Args:
        what: what is fetched; begins the message.
        repository: where it stands on the hub, such as `datasets/owner/name`.
        revision: as it was asked for.

    Raises:
        ConfigError: the hub refuses, or could not be reached. Where that may pass, its cause says so.
    """
    huggingface_hub.set_client_factory(_client)
    for name, value in XET.items():
        os.environ.setdefault(f"HF_XET_CLIENT_{name}", value)
    try:
        yield
    except (httpx.HTTPError, OSError, ValueError, RuntimeError) as error:
        if isinstance(error, ConfigError) or failures.is_full_disk(error):
            raise
        if said := _refusal(error, f"{constants.ENDPOINT}/{repository}", revision):
            raise ConfigError(f"{what}: {said}") from None
        said, passes = _failure(error)
        cause = ConnectionError(in_a_line(error)) if passes else None
        raise ConfigError(f"{what} could not be fetched from the hub: {said}") from cause


def in_a_line(error: BaseException) -> str:
    """What another library's error says, in a line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]).rstrip(" .;:") or type(error).__name__


def _status(error: BaseException) -> int | None:
    """The status of the hub's answer that an error is about."""
    return getattr(getattr(error, "response", None), "status_code", None)


def _refusal(error: Exception, page: str, revision: str | None) -> str | None:
    """What the hub refused: what was found and what is allowed; None where it refused nothing."""
    if isinstance(error, GatedRepoError):
        found = "no login" if _status(error) == 401 else "a login that may not read it"
        return (
            f"found a gated repository and {found}; allowed: after its terms are accepted on {page}, "
            "`hf auth login` (or HF_TOKEN) where Snakemake runs"
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"found no such repository ({page}); allowed: an id that the hub has, and for a private one a "
            "login that may read it (`hf auth login`, or HF_TOKEN, where Snakemake runs)"
        )
    if isinstance(error, RevisionNotFoundError):
        return f"found no revision {revision!r} of {page}; allowed: a commit, branch or tag that it has"
    if _status(error) == 401:
        return (
            f"found a login that {constants.ENDPOINT} does not know ({in_a_line(error)}); allowed: a valid "
            "one (`hf auth login`, or HF_TOKEN), or none (`hf auth logout`)"
        )
    return None


def _failure(error: Exception) -> tuple[str, bool]:
    """What went wrong, with what helps where it is the network; and whether it may pass."""
    behind = [error]
    while following := behind[-1].__cause__ or behind[-1].__context__:
        behind.append(following)
    if any(isinstance(one, Silence | httpx.TimeoutException) for one in behind):
        return f"{_waiting.in_words()}. {ELSEWHERE}", True
    statuses = {_status(one) for one in behind} - {None}
    connection = any(
        isinstance(one, httpx.TransportError | ConnectionError) or "CAS Client Error" in str(one)
        for one in behind
    )
    if connection or statuses & TRIES_AGAIN:
        return f"{in_a_line(error)}. {ELSEWHERE}", True
    return in_a_line(error), False
