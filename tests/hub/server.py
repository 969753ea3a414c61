"""A small hub on this machine: what of the Hugging Face hub's HTTP interface its clients use to fetch.

Large files lie elsewhere, as with the hub itself: `resolve` leads to a second address, which stands for a
content delivery network and knows ranges of bytes. What was asked is written down.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", ".bin", ".parquet")
API = re.compile(r"/api/(models|datasets)/(.+?)(?:/(revision|tree|paths-info)/(.+)|/(auth-check))?")
LOGIN = "Bearer known"  # the one that it knows
CARD = "README.md"  # which a gated repository shows to everybody


@dataclass
class Repository:
    """A repository: files by revision, and whom it lets in.

    Attributes:
        commits: the files of each commit, by name.
        refs: commits by the names of branches and tags.
        gated: the status with which its files are refused, 401 (no login) or 403 (a login without access).
    """

    commits: dict[str, dict[str, bytes]]
    refs: dict[str, str] = field(default_factory=dict)
    gated: int | None = None

    @classmethod
    def of_folder(cls, commit: str, folder: Path, **more) -> "Repository":
        """A repository of one commit, which is its branch main."""
        names = (path for path in sorted(folder.rglob("*")) if path.is_file())
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in names}
        return cls({commit: files}, {"main": commit}, **more)

    def commit(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.refs.get(revision)


@dataclass
class Asked:
    """One request: method, path (without its query), the bytes that it names, and the answer's status."""

    method: str
    path: str
    range: str | None
    status: int


@dataclass
class Hub:
    """The state of a hub for tests.

    Attributes:
        repositories: by `models/owner/name` or `datasets/owner/name`.
        asked: all requests that were answered, in their order.
        breaks: how often the connection of a large file is still cut off in the middle.
        stalls: how often it says nothing more from there on, and stays.
        silent, broken: what a path contains that is never answered, or by an error; "" is in all.
        xet: whether large files are offered in parts, by content, under `/xet` of `far`; which has none.
        address, far: of the hub, and of where large files lie.
    """

    repositories: dict[str, Repository]
    asked: list[Asked] = field(default_factory=list)
    breaks: int = 0
    stalls: int = 0
    silent: str | None = None
    broken: str | None = None
    xet: bool = False
    address: str = ""
    far: str = ""

    def of(self, path: str) -> list[Asked]:
        """The requests whose path contains a text."""
        return [one for one in self.asked if path in one.path]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection; `hub` is set by `served`."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        self._handle()

    do_HEAD = do_POST = do_GET

    def _handle(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.hub.silent is not None and self.hub.silent in path:
            self.rfile.read(1)  # until the client goes away
            self.close_connection = True
        elif self.hub.broken is not None and self.hub.broken in path:
            self._refuse(path, 500, None, "Internal Error")
        elif self.headers.get("Authorization", LOGIN) != LOGIN:
            self._refuse(path, 401, None, "Invalid credentials in Authorization header")
        elif path == "/xet-token":
            named = {"X_Xet_Cas_Url": f"{self.hub.far}/xet", "X_Xet_Access_Token": "some"}
            self._answer(path, 200, b"{}", **named, X_Xet_Token_Expiration=str(2**33))
        elif far := re.fullmatch(r"/far/([0-9a-f]{64})", path):
            self._large(path, far[1])
        elif found := API.fullmatch(path):
            kind, name, what, rest, check = found.groups()
            self._api(path, f"{kind}/{name}", what or check, rest, body)
        elif found := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            kind = "datasets" if found[1] else "models"
            self._resolve(path, f"{kind}/{found[2]}", *found.groups()[2:])
        else:
            self._refuse(path, 404, None, "no such page")

    def _answer(self, path: str, status: int, content: bytes = b"", **headers: str) -> None:
        """Send an answer; `content` is left out of one to HEAD."""
        self.hub.asked.append(Asked(self.command, path, self.headers.get("Range"), status))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _refuse(self, path: str, status: int, code: str | None, message: str) -> None:
        headers = {"X_Error_Message": message} | ({"X_Error_Code": code} if code else {})
        self._answer(path, status, json.dumps({"error": message}).encode(), **headers)

    def _found(self, path: str, name: str, revision: str) -> tuple[Repository, str] | None:
        """A repository and the commit that a revision names; None where that was refused."""
        repository = self.hub.repositories.get(name)
        if repository is None:
            self._refuse(path, 404, "RepoNotFound", "Repository not found")
        elif (commit := repository.commit(revision)) is None:
            self._refuse(path, 404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return repository, commit
        return None

    def _api(self, path: str, name: str, what: str | None, rest: str | None, body: bytes) -> None:
        """What is in a repository: its commit, the list of its files, or some of them; of gated ones too."""
        if what == "auth-check" and name in self.hub.repositories:
            gated = self.hub.repositories[name].gated
            return self._gated(path, name, gated) if gated else self._answer(path, 200)
        revision, _, within = (rest or "main").partition("/")
        if not (found := self._found(path, name, revision)):
            return
        repository, commit = found
        files = repository.commits[commit]
        if what == "tree":
            deep = parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0].lower() == "true"
            names = [name for name in files if not within or name.startswith(f"{within}/")]
            below = {name: name.removeprefix(f"{within}/").split("/") for name in names}
            answer = [entry(name, files[name]) for name in names if deep or len(below[name]) == 1]
            folders = {f"{within}/{parts[0]}".strip("/") for parts in below.values() if len(parts) > 1}
            answer += [
                {"type": "directory", "path": folder, "size": 0, "oid": "0" * 40} for folder in folders
            ]
        elif what == "paths-info":
            wanted = parse_qs(body.decode())["paths"]
            answer = [entry(name, files[name]) for name in wanted if name in files]
        else:
            answer = {
                "id": name.partition("/")[2],
                "sha": commit,
                "private": False,
                "tags": [],
                "downloads": 0,
                "likes": 0,
            }
            answer |= {"siblings": [{"rfilename": file} for file in files]}
        self._answer(path, 200, json.dumps(answer).encode(), Content_Type="application/json")

    def _resolve(self, path: str, name: str, revision: str, file: str) -> None:
        """A file: small ones at once, large ones elsewhere."""
        if not (found := self._found(path, name, revision)):
            return
        repository, commit = found
        if repository.gated and file != CARD:
            return self._gated(path, name, repository.gated)
        content = repository.commits[commit].get(file)
        if content is None:
            return self._refuse(path, 404, "EntryNotFound", "Entry not found")
        commits = {"X_Repo_Commit": commit, "Accept_Ranges": "bytes"}
        if not file.endswith(LARGE):
            etag = f'"{hashlib.sha1(content).hexdigest()}"'
            return self._answer(path, 200, content, ETag=etag, **commits)
        linked = {"X_Linked_Etag": f'"{sha256(content)}"', "X_Linked_Size": str(len(content))}
        if self.hub.xet:
            linked |= {"X_Xet_Hash": sha256(content), "X_Xet_Refresh_Route": f"{self.hub.address}/xet-token"}
        self._answer(path, 302, Location=f"{self.hub.far}/far/{sha256(content)}", **commits, **linked)

    def _gated(self, path: str, name: str, status: int) -> None:
        self._refuse(path, status, "GatedRepo", f"Access to {name.partition('/')[2]} is restricted.")

    def _large(self, path: str, digest: str) -> None:
        """A large file, or what is left of it from a byte on."""
        everything = (
            content
            for repository in self.hub.repositories.values()
            for files in repository.commits.values()
            for content in files.values()
        )
        whole = next(content for content in everything if sha256(content) == digest)
        start = int(re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "bytes=0-")[1])
        content = whole[start:]
        self.hub.asked.append(Asked(self.command, path, self.headers.get("Range"), 206 if start else 200))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.end_headers()
        cut = self.hub.breaks > 0 or self.hub.stalls > 0
        self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = cut
        if self.hub.breaks > 0:
            self.hub.breaks -= 1
        elif self.hub.stalls > 0:
            self.hub.stalls -= 1
            self.rfile.read(1)


def entry(name: str, content: bytes) -> dict:
    """A file in the list of files, as the hub writes it."""
    said = {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
    if name.endswith(LARGE):
        said["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 130}
    return said


@contextmanager
def served(repositories: dict[str, Repository]) -> Iterator[Hub]:
    """A hub that answers on this machine while the block runs."""
    hub = Hub(repositories)
    handler = type("HubHandler", (Handler,), {"hub": hub})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    hub.address, hub.far = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for server, thread in zip(servers, threads, strict=True):
        server.daemon_threads = True
        thread.start()
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
