"""A proxy in front of an HTTP server that is slow, answers with errors, or loses connections in the middle, as it is told."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What becomes of one request."""

    wait_s: float = 0.0
    """Before anything else."""
    status: int = 0
    """Answer with this at once; the server is not asked."""
    body: str = ""
    cut_request: int | None = None
    """The connection is reset when so many bytes of the request's body were read; the server is not asked."""
    cut_answer: int | None = None
    """The connection is reset when so many bytes of the answer's body were sent."""
    lose_answer: bool = False
    """The server does what it is asked, and nobody is told."""


def s3_error(status: int, code: str) -> Fault:
    """An answer as S3 gives it."""
    return Fault(
        status=status, body=f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    )


Choose = Callable[[str, str], Fault | None]


@dataclass
class Proxy:
    """The proxy: where it is, what it does next, and what came by."""

    url: str
    choose: Choose = lambda method, path: None
    """(method, path) -> the fault of a request, or None: it is passed on."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def first(self, count: int, fault: Fault, method: str = "", part: str = "") -> None:
        """The next so many requests of a method whose path has this in it meet a fault."""
        left = [count]

        def choose(asked: str, path: str) -> Fault | None:
            with self.lock:
                if (method and asked != method) or part not in path or not left[0]:
                    return None
                left[0] -= 1
                return fault

        self.choose = choose

    def always(self, fault: Fault, method: str = "", part: str = "") -> None:
        """All of them do."""
        self.first(1 << 30, fault, method, part)

    def count(self, method: str, part: str = "") -> int:
        """Requests of a method whose path has this in it, so far."""
        return sum(asked == method and part in path for asked, path in self.asked)


@contextlib.contextmanager
def faulty(upstream: str) -> Iterator[Proxy]:
    """A proxy in front of a server."""
    place = urlsplit(upstream)
    proxy = Proxy("")

    class Passing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            fault = proxy.choose(self.command, self.path) or Fault()
            with proxy.lock:
                proxy.asked.append((self.command, self.path))
            time.sleep(fault.wait_s)
            body = self._body(fault.cut_request)
            if body is None:
                self._reset()
                return
            if fault.status:
                self._answer(fault.status, {"Content-Type": "application/xml"}, fault.body.encode(), None)
                return
            kept = ("host", "transfer-encoding", "connection", "expect")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in kept}
            assert place.hostname
            asked = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
            try:
                asked.request(
                    self.command, self.path, body, {**headers, "Host": place.netloc, "Content-Length": str(len(body))}
                )
                answer = asked.getresponse()
                content = answer.read()
                told = {n: v for n, v in answer.getheaders() if n.lower() not in ("connection", "transfer-encoding")}
            finally:
                asked.close()
            if fault.lose_answer:
                self._reset()
                return
            self._answer(answer.status, told, content, fault.cut_answer)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = handle_one

        def _body(self, cut: int | None) -> bytes | None:
            """The request's body; None where it was cut."""
            if "100-continue" in self.headers.get("Expect", ""):
                self.send_response_only(100)
                self.end_headers()
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                found = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    found += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return None if cut is not None else found
            size = int(self.headers.get("Content-Length") or 0)
            if cut is not None:
                self.rfile.read(min(cut, size))
                return None
            return self.rfile.read(size)

        def _answer(self, status: int, headers: dict[str, str], content: bytes, cut: int | None) -> None:
            self.send_response_only(status)
            length = headers.pop("Content-Length", str(len(content))) if self.command == "HEAD" else str(len(content))
            for name, value in headers.items():
                if name.lower() != "content-length":
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content if cut is None else content[:cut])
                self.wfile.flush()
            if cut is not None:
                self._reset()

        def _reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

        def handle(self) -> None:
            with contextlib.suppress(OSError, ValueError):  # whoever is cut off, or gives up, is not waited for
                super().handle()

        def finish(self) -> None:
            with contextlib.suppress(OSError, ValueError):
                super().finish()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
