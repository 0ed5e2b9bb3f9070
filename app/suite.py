"""`./sellog test`: finds a browser, then runs pytest on every processor."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# pytest-xdist refuses a debugger, and shows nothing of what a test prints.
ONE_PROCESS = ("--pdb", "--trace", "-s", "--capture=no", "no:xdist", "-pno:xdist")


class NoBrowser(Exception):
    """Why the browser tests cannot run, as one sentence for the person at the terminal."""


def run_tests(args: list[str]) -> int:
    """Runs the suite with pytest's arguments and returns pytest's exit code; 1 when no browser can be had.

    Tests read the browser's path from SELLOG_CHROMIUM; where that is unset they use Playwright's own.
    """
    try:
        browser = find_browser() or install_browser()
    except NoBrowser as reason:
        print(reason, file=sys.stderr, flush=True)
        return 1
    environment = {name: value for name, value in os.environ.items() if name != "SELLOG_CHROMIUM"}
    if browser:
        environment["SELLOG_CHROMIUM"] = browser
    pytest = subprocess.Popen(pytest_command(args), cwd=ROOT, env=environment)
    while True:
        try:
            return pytest.wait()
        except KeyboardInterrupt:
            # The terminal interrupted pytest as well: it stops what it started and ends.
            continue


def find_browser() -> str | None:
    """The path of a Chromium that starts: SELLOG_CHROMIUM if set, else the first on PATH."""
    asked = os.environ.get("SELLOG_CHROMIUM")
    if asked:
        if not starts(asked):
            raise NoBrowser(f"브라우저를 실행할 수 없습니다. / SELLOG_CHROMIUM does not start: {asked}.")
        return asked
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    return next(filter(starts, found), None)


def starts(browser: str) -> bool:
    """Whether it is more than a name: Ubuntu's `chromium-browser` is a note about its snap."""
    return succeeds([browser, "--version"])


def install_browser() -> str | None:
    """Installs Chromium from the system's packages, else Playwright's own (the answer is None)."""
    print("크로미움을 설치합니다 … / Installing Chromium …", file=sys.stderr, flush=True)
    may_use_apt = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None
    if may_use_apt:
        apt_get = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        succeeds([*apt_get, "update"])
        succeeds([*apt_get, "install", "-y", "--no-install-recommends", "chromium"])
        if browser := find_browser():
            return browser
    libraries = ["--with-deps"] if may_use_apt else []
    if succeeds([sys.executable, "-m", "playwright", "install", *libraries, "chromium"]):
        return None
    raise NoBrowser(
        "브라우저 테스트에 크로미움이 필요합니다. / The browser tests need Chromium: "
        "install it, or set SELLOG_CHROMIUM to its path."
    )


def succeeds(command: list[str]) -> bool:
    """Whether the command could be run and ended with 0. What a failed one said goes to stderr."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        print(error, file=sys.stderr, flush=True)
        return False
    if done.returncode:
        last_lines = done.stdout.decode(errors="replace").strip().splitlines()[-8:]
        print(*last_lines, sep="\n", file=sys.stderr, flush=True)
    return done.returncode == 0


def pytest_command(args: list[str]) -> list[str]:
    """pytest with one process for each processor, unless the arguments choose otherwise."""
    chosen = any(arg in ONE_PROCESS or arg.startswith(("-n", "--numprocesses")) for arg in args)
    # The longest tests come last: whoever is idle takes from the others.
    spread = [] if chosen else ["-n", str(processors()), "--dist", "worksteal"]
    return [sys.executable, "-P", "-m", "pytest", *spread, *args]


def processors() -> int:
    """The processors that this process may use, where the system tells; else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
