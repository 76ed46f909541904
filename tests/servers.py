"""Servers that tests read from: a real S3 server, and as much of Google's, the hub's and OpenAI's APIs as that needs.

Each listens on a free port of this machine and is stopped when its block ends.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import Request, urlopen

from lib.corpus import remote

COMMIT = "c0ffee" + "0" * 34
"""What every branch of the hub's data sets means."""


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """The URL of an S3 server without buckets: what an earlier one of this process had is gone."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        urlopen(Request(f"{url}/moto-api/reset", method="POST"), timeout=10).close()
        yield url
    finally:
        server.stop()


@contextlib.contextmanager
def gs_server(bucket: str, objects: dict[str, bytes]) -> Iterator[str]:
    """The URL of a server that answers like Google's JSON API about one bucket: objects are read, listed, written in one piece
    or several, once where that is asked for, and removed."""
    written, uploads, lock = dict[str, int](), dict[str, tuple[str, bool, bytes]](), Lock()

    class Google(_Answers):
        def do_POST(self) -> None:
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            once = query.get("ifGenerationMatch") == "0"
            if f"/b/{bucket}/o" not in unquote(url.path):
                self.send(b'{"error": {"message": "The specified bucket does not exist."}}', status=404)
            elif query.get("uploadType") == "multipart":
                _, about_it, content, _ = body.split(b"--==0==")
                content = content.partition(b"\n\n")[2].removesuffix(b"\n")
                self.write(json.loads(about_it.partition(b"\n\n")[2])["name"], content, once)
            elif "upload_id" not in query:
                number = str(len(uploads))
                uploads[number] = (query["name"], once, b"")
                place = f"http://{self.headers['Host']}{url.path}?uploadType=resumable&upload_id={number}"
                self.send(b"{}", Location=place)
            else:
                name, once, before = uploads[query["upload_id"]]
                uploads[query["upload_id"]] = name, once, before + body
                _, _, size = self.headers["Content-Range"].partition("/")
                if len(before + body) == int(size):
                    self.write(name, before + body, once)
                else:
                    self.send(b"", status=308, Range=f"bytes=0-{len(before + body) - 1}")

        def write(self, name: str, content: bytes, once: bool) -> None:
            with lock:
                if once and name in objects:
                    self.send(b'{"error": {"message": "conditionNotMet"}}', status=412)
                    return
                objects[name], written[name] = content, written.get(name, 0) + 1
            self.send(json.dumps(about(name)).encode())

        def do_DELETE(self) -> None:
            name = unquote(urlsplit(self.path).path).partition(f"/b/{bucket}/o/")[2]
            self.send(b"{}", status=404 if objects.pop(name, None) is None else 204)

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            place, _, name = unquote(url.path).partition(f"/b/{bucket}/o")
            name, query = name.removeprefix("/"), parse_qs(url.query)
            if name in objects:
                if place.startswith("/download") or query.get("alt") == ["media"]:
                    self.send(objects[name])
                else:
                    self.send(json.dumps(about(name)).encode())
            elif name or place == unquote(url.path):
                self.send(b"{}", status=404)
            else:
                prefix = query.get("prefix", [""])[0]
                self.send(
                    json.dumps({"items": [about(one) for one in sorted(objects) if one.startswith(prefix)]}).encode()
                )

    def when(name: str) -> dict[str, str]:
        return {"generation": str(written.get(name, 1)), "updated": "2026-11-21T12:00:00.123Z"}

    def about(name: str) -> dict[str, str]:
        digest = base64.b64encode(hashlib.md5(objects[name]).digest()).decode()
        return {"bucket": bucket, "name": name, "size": str(len(objects[name])), "md5Hash": digest, **when(name)}

    with _serving(Google) as url:
        yield url


@contextlib.contextmanager
def hub_server(sets: Mapping[str, Mapping[str, bytes]], gated: str = "") -> Iterator[str]:
    """The URL of a hub with these data sets: id -> path -> content. The one called `gated` gives its files to nobody."""

    class Hub(_Answers):
        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path).removeprefix("/api")
            _, _, owner, name, *rest = [*path.split("/"), "", ""]
            files = sets.get(f"{owner}/{name}")
            if files is None:
                self.send(b"{}", status=404, **{"X-Error-Code": "RepoNotFound"})
            elif rest[0] == "revision" and rest[1] not in ("main", COMMIT):
                self.send(b"{}", status=404, **{"X-Error-Code": "RevisionNotFound"})
            elif rest[0] == "resolve":
                self.resolve(files, "/".join(part for part in rest[2:] if part), f"{owner}/{name}" == gated)
            elif rest[0] == "tree":
                found = [{"type": "file", "path": one, "size": len(files[one]), "oid": "0" * 40} for one in files]
                self.send(json.dumps(found).encode())
            else:
                self.send(json.dumps({"id": f"{owner}/{name}", "sha": COMMIT, "siblings": []}).encode())

        def resolve(self, files: Mapping[str, bytes], name: str, is_gated: bool) -> None:
            if name not in files:
                self.send(b"", status=404, **{"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            elif is_gated:
                self.send(b"", status=403, **{"X-Error-Code": "GatedRepo"})
            else:
                self.send(files[name], ETag='"0"', **{"X-Repo-Commit": COMMIT})

        do_HEAD = do_GET

    with _serving(Hub) as url:
        yield url


@dataclass
class ModelHub:
    """A hub with one model, and what was asked of it."""

    url: str
    asked: list[tuple[str, str]]
    """(path in the model, `Range` header or "") of each request for content, in order."""
    cuts: dict[str, list[int]]
    """By path: after so many bytes of an answer the connection ends, or is reset where the number is negative, which can
    lose bytes on their way; each cut once, in order."""
    stalls: dict[str, int]
    """By path: after so many bytes of a whole answer nothing more comes."""


@contextlib.contextmanager
def model_hub(files: Mapping[str, bytes], wrong: str = "") -> Iterator[ModelHub]:
    """A hub with the model `org/model`. Files of more than 1 MiB are large files to it; the digest of `wrong` is another's."""
    hub = ModelHub("", [], {}, {})

    class Hub(_Answers):
        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if path.startswith("/api/models/org/model/tree/"):
                self.send(json.dumps([about(name) for name in files]).encode())
                return
            name = path.removeprefix(f"/org/model/resolve/{COMMIT}/")
            if name not in files:
                self.send(b"{}", status=404)
                return
            hub.asked.append((name, self.headers.get("Range", "")))
            whole = "Range" not in self.headers
            if hub.cuts.get(name):
                self.some(files[name], hub.cuts[name].pop(0))
            elif whole and name in hub.stalls:
                self.some(files[name], hub.stalls[name], wait_s=60)
            else:
                self.send(files[name])

        def some(self, body: bytes, count: int, wait_s: float = 0) -> None:
            """The beginning of what is asked for, and then the end of the connection."""
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body[start : start + abs(count)])
                self.wfile.flush()
                gone = time.monotonic() + wait_s
                while time.monotonic() < gone and not closing.wait(0.05):
                    pass
                if count < 0:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

    closing = Event()

    def about(name: str) -> dict[str, Any]:
        content = files[name] + (b"x" if name == wrong else b"")
        told: dict[str, Any] = {"type": "file", "path": name, "size": len(files[name])}
        told["oid"] = hashlib.sha1(b"blob %d\0" % len(files[name]) + content).hexdigest()
        if len(files[name]) > 1 << 20:
            told["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(files[name]), "pointerSize": 134}
        return told

    with _serving(Hub) as hub.url:
        try:
            yield hub
        finally:
            closing.set()


@dataclass
class Chat:
    """A chat server: its URL, and the requests that came in, as (headers, body), in order."""

    url: str
    asked: list[tuple[dict[str, str], dict[str, Any]]]


@contextlib.contextmanager
def chat_server(reply: Callable[[int, dict[str, Any]], str | tuple[int, str, dict[str, str]]]) -> Iterator[Chat]:
    """A server that answers OpenAI's chat completions.

    Args:
        reply: called with the number of earlier requests and the body; returns what the model says, or a status, a body
            and headers.
    """
    asked: list[tuple[dict[str, str], dict[str, Any]]] = []
    lock = Lock()

    class Completions(_Answers):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(asked)
                asked.append(({name.lower(): value for name, value in self.headers.items()}, body))
            said = reply(number, body)
            if self.path != "/v1/chat/completions":
                said = (404, "{}", {})
            if isinstance(said, str):
                choice = {"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
                said = (200, json.dumps({"choices": [choice]}), {})
            status, text, headers = said
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send(text.encode(), status, **headers)

    with _serving(Completions) as url:
        yield Chat(f"{url}/v1", asked)


class _Answers(BaseHTTPRequestHandler):
    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        if status == 200 and "Range" in self.headers:
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            body, status = body[int(first) : int(last or len(body)) + 1], 206
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def _serving(answers: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def forget_stores() -> None:
    """Make the next look at an object store ask the environment again where it is."""
    from gcsfs.core import GCSFileSystem
    from s3fs import S3FileSystem

    remote._store.cache_clear()
    S3FileSystem.clear_instance_cache()
    GCSFileSystem.clear_instance_cache()
