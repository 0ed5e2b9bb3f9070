"""Running the shop under uvicorn: one process or several, and the demo's two servers in one."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence

import uvicorn
from litestar.types import ASGIApp

from app.edge import Edge, configure_logging
from app.main import create_app, gateways_of, read_settings, run_worker
from app.settings import Settings

# Open connections are waited for this long when a server stops.
GRACE = 10


class PortTaken(Exception):
    """The address cannot be listened on; the message says which and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise PortTaken(f"Port {port} on {host} cannot be used ({_why(error)}): choose another one.") from None
    return listener


def _why(error: Exception) -> str:
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else "it must be 0 to 65535"


class Server(uvicorn.Server):
    """A server that leaves the signals to whoever runs it, and says when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: ASGIApp) -> Server:
    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=GRACE,
        )
    )


async def run_servers(
    apps: Sequence[tuple[ASGIApp, list[socket.socket]]], on_ready: Callable[[], Awaitable[None]]
) -> bool:
    """Serves the apps until SIGINT or SIGTERM; `on_ready` is called once all of them answer. False when one could not
    start."""
    servers = [_server(app) for app, _ in apps]

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    serving = [asyncio.create_task(server.serve(sockets)) for server, (_, sockets) in zip(servers, apps, strict=True)]
    waiting = [asyncio.create_task(server.has_started.wait()) for server in servers]
    await asyncio.wait([asyncio.gather(*waiting), *serving], return_when=asyncio.FIRST_COMPLETED)
    started = all(server.started for server in servers)
    if started:
        await on_ready()
    else:
        stop()
    await asyncio.gather(*serving)
    for task in waiting:
        task.cancel()
    return started


def serve(settings: Settings, host: str, port: int, workers: int) -> int:
    """`./sellog serve`. Returns the exit code. Raises PortTaken."""
    listener = listen(host, port)
    if workers > 1:
        listener.close()
        uvicorn.run(
            "app.serving:app_of_environment",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
        return 0

    async def ready() -> None:
        print(f"Sellog serves {settings.base_url} on {host}:{listener.getsockname()[1]}", file=sys.stderr, flush=True)

    configure_logging(sys.stderr)
    started = asyncio.run(run_servers([(Edge(create_app(settings)), [listener])], ready))
    return 0 if started else 1


def work(settings: Settings) -> int:
    """`./sellog worker`: the worker loop alone, until SIGINT or SIGTERM. Returns the exit code."""

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with gateways_of(settings) as gateways:
            working = asyncio.create_task(run_worker(gateways))
            print("Sellog's worker is at work", file=sys.stderr, flush=True)
            await stop.wait()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    configure_logging(sys.stderr)
    asyncio.run(until_stopped())
    return 0


def app_of_environment() -> ASGIApp:
    """The app of one of several processes, each of which reads the environment itself."""
    configure_logging(sys.stderr)
    return Edge(create_app(read_settings(os.environ)))
