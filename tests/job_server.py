"""As much of a Ray dashboard's API as submitting a job takes: version, nodes, packages, jobs, and a log that is followed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Dashboard:
    """A dashboard, what it knows of jobs, and what was asked of it."""

    url: str = ""
    token: str = ""
    """Asked for, where there is one."""
    nodes: list[dict[str, Any]] = field(default_factory=lambda: [{"CPU": 4.0}])
    """Resources of every machine; the first is the head."""
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    """Pieces of a job's log; the connection is cut after "CUT", once."""
    ends: dict[str, Any] = field(default_factory=lambda: {"status": "SUCCEEDED", "driver_exit_code": 0})
    """How a job ends, once its log was read to its end; {}: it goes on."""
    packages: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Jobs that appear when somebody submits, as if another had been faster."""

    def add(self, job: str, status: str = "RUNNING", **about: Any) -> None:
        """A job that is there already."""
        self.jobs[job] = {"submission_id": job, "type": "SUBMISSION", "status": status, "entrypoint": "x", **about}


@contextlib.contextmanager
def dashboard(**how: Any) -> Iterator[Dashboard]:
    """A running dashboard."""
    board = Dashboard(**how)
    loop, ready = asyncio.new_event_loop(), threading.Event()
    runner: list[web.AppRunner] = []

    async def start() -> None:
        app = web.Application(middlewares=[_asking(board)], client_max_size=1 << 30)
        app.add_routes(_routes(board))
        runner.append(web.AppRunner(app, shutdown_timeout=0.1))
        await runner[0].setup()
        site = web.TCPSite(runner[0], "127.0.0.1", 0)
        await site.start()
        board.url = site._server.sockets[0].getsockname()  # type: ignore[union-attr]
        board.url = f"http://127.0.0.1:{board.url[1]}"
        ready.set()

    def serve() -> None:
        loop.run_until_complete(start())
        loop.run_forever()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield board
    finally:
        asyncio.run_coroutine_threadsafe(runner[0].cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def _asking(board: Dashboard) -> Any:
    @web.middleware
    async def ask(request: web.Request, handler: Any) -> Any:
        board.requests.append(f"{request.method} {request.path}")
        if board.token and request.headers.get("Authorization") != f"Bearer {board.token}":
            return web.Response(status=403 if "Authorization" in request.headers else 401, text="no")
        return await handler(request)

    return ask


def _routes(board: Dashboard) -> list[web.RouteDef]:
    async def version(_: web.Request) -> web.Response:
        return web.json_response({"version": "4", "ray_version": "2.60.0", "ray_commit": "x"})

    async def nodes(_: web.Request) -> web.Response:
        found = [
            {"node_id": str(n), "node_ip": "1", "is_head_node": n == 0, "state": "ALIVE", "state_message": None,
             "node_name": "n", "resources_total": one, "labels": {}}
            for n, one in enumerate(board.nodes)
        ]  # fmt: skip
        told = {"total": len(found), "num_after_truncation": len(found), "num_filtered": len(found), "result": found}
        return web.json_response({"result": True, "msg": "", "data": {"result": told}})

    async def package(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if request.method == "PUT":
            board.packages[name] = await request.read()
        return web.Response(status=200 if name in board.packages else 404)

    async def submit(request: web.Request) -> web.Response:
        asked = await request.json()
        for name, about in board.taken.items():
            board.add(name, **about)
        if asked["submission_id"] in board.jobs:
            return web.Response(status=500, text=f"Job with submission_id {asked['submission_id']} already exists.")
        board.add(asked["submission_id"], **{**asked, "status": "RUNNING"})
        return web.json_response({"job_id": asked["submission_id"], "submission_id": asked["submission_id"]})

    async def told(request: web.Request) -> web.Response:
        name = request.match_info.get("job")
        return web.json_response(board.jobs[name] if name else list(board.jobs.values()))

    async def tail(request: web.Request) -> web.WebSocketResponse:
        name = request.match_info["job"]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        pieces = board.logs.setdefault(name, ["one line\n"])
        for piece in list(pieces):
            if piece == "CUT":
                pieces.remove(piece)
                if request.transport:
                    request.transport.abort()
                return socket
            await socket.send_str(piece)
        board.jobs[name] |= board.ends
        while not board.ends:
            await asyncio.sleep(0.05)
        return socket

    return [
        web.get("/api/version", version), web.get("/api/v0/nodes", nodes),
        web.get("/api/packages/{protocol}/{name}", package), web.put("/api/packages/{protocol}/{name}", package),
        web.post("/api/jobs/", submit), web.get("/api/jobs/", told), web.get("/api/jobs/{job}", told),
        web.get("/api/jobs/{job}/logs/tail", tail),
    ]  # fmt: skip
