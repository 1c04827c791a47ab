"""The part of the Hugging Face hub that data and models come from and models are pushed to, on loopback.

It is a real server that can misbehave.

Minari and huggingface_hub need no patch, but read where the hub is when they are imported: give a process
`Hub.environment` in its environment, and an HF_HOME and a MINARI_DATASETS_PATH of its own.
"""

import base64
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

OWNER = "farama-minari"
TOKEN = "hf_of_the_loopback_hub"
DATA = (".hdf5", ".safetensors")  # in LFS, as on the hub, and what `cut_after` and `corrupt` concern
ROUTE = re.compile(
    rf"(?:/api)?/(?:datasets/|models/)?{OWNER}/([^/]+)(?:/(revision|tree|resolve)/([^/]+)(?:/(.+))?)?"
)
PUSH = re.compile(
    rf"(?:/api/models)?/{OWNER}/([^/.]+)(/preupload/main|/commit/main|\.git/info/lfs/objects/batch)"
)


class Hub(ThreadingHTTPServer):
    """Serves each folder/{name} as the repository farama-minari/{name}, of data or models, in the context.

    A model that is pushed becomes such a folder, if the one who pushes has the token TOKEN.

    Minari finds a dataset of a namespace, D4RL/pen/human-v2, only if D4RL/namespace_metadata.json lists it
    under "datasets" and D4RL/pen under "namespaces", and D4RL/pen/namespace_metadata.json is there.

    Attributes:
        cut_after: the next `cuts` downloads of a file in LFS send so many bytes and close the connection.
        cuts: how many downloads `cut_after` spoils; after the last, `cut_after` is None again.
        fail: the next so many requests answer 503; it counts down.
        fail_on: `fail` is for requests in whose method and path this pattern is found: "GET .*main_data".
        corrupt: what is in LFS is sent with the byte in its middle flipped, while all metadata stays true.
        requests: (method, path, Range header) of every request so far.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.cut_after: int | None = None
        self.cuts = 1
        self.fail = 0
        self.fail_on = ""
        self.corrupt = False
        self.requests: list[tuple[str, str, str | None]] = []
        self.uploads: dict[str, bytes] = {}  # to LFS, by their SHA-256
        self.lock = Lock()

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send Minari here; without telemetry, that is without requests beside its own."""
        url = f"http://127.0.0.1:{self.server_port}"
        hub = {"HF_ENDPOINT": url, "MINARI_REMOTE": f"hf://{OWNER}", "HF_HUB_DISABLE_TELEMETRY": "1"}
        return hub | {"NO_PROXY": "127.0.0.1", "HF_HUB_DISABLE_XET": "1"}  # uploads go through LFS


class _Handler(BaseHTTPRequestHandler):
    """Answers one request, in HTTP/1.0: every answer ends with the connection."""

    server: Hub

    def do_GET(self) -> None:
        hub, url = self.server, urlsplit(self.path)
        path, query = unquote(url.path), parse_qs(url.query)
        with hub.lock:
            hub.requests.append((self.command, path, self.headers["Range"]))
            failing = hub.fail > 0 and re.search(hub.fail_on, f"{self.command} {path}") is not None
            hub.fail -= failing
        if failing:
            return self.send(503, {})
        names = [folder.name for folder in sorted(hub.folder.iterdir()) if folder.is_dir()]
        if path == "/api/datasets":  # the hub searches for a part of the name, in any case
            names = names if OWNER in query.get("author", []) else []
            found = [name for name in names if query.get("search", [""])[0].lower() in name.lower()]
            return self.send_json([{"id": f"{OWNER}/{name}"} for name in found])
        route = ROUTE.fullmatch(path)
        if route is None or route[1] not in names:
            return self.send(404, {"X-Error-Code": "RepoNotFound"})
        name, action, revision, file = route.groups()
        tree, commit = read_tree(hub.folder / name)
        if revision not in (None, "main", commit):
            return self.send(404, {"X-Error-Code": "RevisionNotFound"})
        if action == "tree":
            return self.send_json(list(tree.values()))
        if action != "resolve":
            return self.send_json({"id": f"{OWNER}/{name}", "sha": commit})
        if file not in tree:
            return self.send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        return self.send_file((hub.folder / name / file).read_bytes(), tree[file], commit)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        path, body = unquote(urlsplit(self.path).path), self.rfile.read(int(self.headers["Content-Length"]))
        hub, url = self.server, self.server.environment["HF_ENDPOINT"]
        with hub.lock:
            hub.requests.append((self.command, path, None))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self.send(401, {})
        if path == "/api/validate-yaml":
            return self.send_json({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            (hub.folder / json.loads(body)["name"]).mkdir(exist_ok=True)
            return self.send_json({"url": f"{url}/{OWNER}/{json.loads(body)['name']}"})
        route = PUSH.fullmatch(path)
        if route is None or not (hub.folder / route[1]).is_dir():
            return self.send(404, {"X-Error-Code": "RepoNotFound"})
        folder = hub.folder / route[1]
        if route[2] == "/commit/main":
            for line in map(json.loads, body.splitlines()):
                if line["key"] != "header":
                    self.keep(folder, **line)
            commit = read_tree(folder)[1]
            return self.send_json(
                {"commitUrl": f"{url}/{OWNER}/{route[1]}/commit/{commit}", "commitOid": commit}
            )
        if route[2] == "/preupload/main":
            files = [file["path"] for file in json.loads(body)["files"]]
            modes = {file: "lfs" if file.endswith(DATA) else "regular" for file in files}
            answer = [{"path": file, "uploadMode": modes[file], "shouldIgnore": False} for file in files]
            return self.send_json({"files": answer})
        objects = json.loads(body)["objects"]
        for each in objects:
            each["actions"] = {"upload": {"href": f"{url}/lfs/{each['oid']}"}}
        return self.send_json({"transfer": "basic", "objects": objects})

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.uploads[hashlib.sha256(body).hexdigest()] = body
        self.send(200, {})

    def keep(self, folder: Path, key: str, value: dict[str, Any]) -> None:
        """A file of a commit, of its own or one that was uploaded before."""
        path = folder / value["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        in_lfs = key == "lfsFile"
        path.write_bytes(self.server.uploads[value["oid"]] if in_lfs else base64.b64decode(value["content"]))

    def send_file(self, body: bytes, entry: dict[str, Any], commit: str) -> None:
        """A file or the range of it that was asked for; the hub misbehaves here, as it was told to."""
        hub, size, status, cut = self.server, len(body), 200, None
        tag = f'"{entry.get("lfs", entry)["oid"]}"'
        headers = {"X-Repo-Commit": commit, "ETag": tag, "Accept-Ranges": "bytes"}
        if "lfs" in entry:
            headers |= {"X-Linked-ETag": tag, "X-Linked-Size": str(size)}
        if "lfs" in entry and self.command == "GET":
            if hub.corrupt:
                body = body[: size // 2] + bytes([body[size // 2] ^ 0xFF]) + body[size // 2 + 1 :]
            with hub.lock:
                if hub.cut_after is not None:
                    cut, hub.cuts = hub.cut_after, hub.cuts - 1
                    if hub.cuts == 0:
                        hub.cut_after, hub.cuts = None, 1
        if wanted := re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or ""):
            start = int(wanted[1])
            status, body = 206, body[start:]
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        return self.send(status, headers, body, cut)

    def send_json(self, content: Any) -> None:
        self.send(200, {"Content-Type": "application/json"}, json.dumps(content).encode())

    def send(self, status: int, headers: dict[str, str], body: bytes = b"", cut: int | None = None) -> None:
        """An answer that announces all of `body` and, with `cut`, ends after so many bytes of it."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr: `Hub.requests` is the log."""


def read_tree(folder: Path) -> tuple[dict[str, dict[str, Any]], str]:
    """The hub's entry for each file of a repository, by path, and the name of a commit with these files."""
    tree = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, body = path.relative_to(folder).as_posix(), path.read_bytes()
        tree[name] = {"type": "file", "path": name, "size": len(body)}
        if name.endswith(DATA):  # Git has a pointer in its place
            sha256, size = hashlib.sha256(body).hexdigest(), len(body)
            body = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
            tree[name]["lfs"] = {"oid": sha256, "size": size, "pointerSize": len(body)}
        tree[name]["oid"] = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
    return tree, hashlib.sha1(json.dumps(tree).encode()).hexdigest()
