"""The start of everything: the file `sellog` makes its environment, and `app/suite.py` finds a browser."""

import ast
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from app import suite

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-test.lock", "requirements-htmx.lock")
CLI = "import json, os, sys; print(json.dumps([__file__, os.getcwd(), sys.prefix, sys.argv[1:]]))"


def write_command(path: Path, script: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


class Checkout:
    """A folder with the real `sellog`, small locks, an `app.cli` that tells how it was called, and a `uv`."""

    def __init__(self, root: Path) -> None:
        self.root, self.bin, self.venv = root, root / "bin", root / ".venv"
        (root / "app").mkdir(parents=True)
        shutil.copy(ROOT / "sellog", root)
        (root / "app" / "cli.py").write_text(CLI)
        for lock in LOCKS:
            self.change(lock)
        self.uv("exit 0")

    def change(self, lock: str) -> None:
        with (self.root / lock).open("a") as file:
            file.write("# a line\n")

    def uv(self, script: str) -> None:
        """`uv` appends its arguments to uv.log and then does what the script says."""
        write_command(self.bin / "uv", f'echo "$@" >> {self.root}/uv.log\n{script}')

    def installed(self) -> list[str]:
        """The locks installed since the last call, in their order."""
        log = self.root / "uv.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.write_text("")
        return [line.split()[-1] for line in lines]

    def begin(self, *args: str, cwd: Path | None = None) -> subprocess.Popen:
        command = [sys.executable, str(self.root / "sellog"), *args]
        environment = {"PATH": str(self.bin), "PYTHONUTF8": "1", "PYTHONPATH": "/nowhere"}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=cwd, env=environment, stdout=pipe, stderr=pipe, text=True)

    def start(self, *args: str, cwd: Path | None = None) -> tuple[int, str, str]:
        process = self.begin(*args, cwd=cwd)
        output, errors = process.communicate(timeout=30)
        return process.returncode, output, errors

    def module(self):
        """The file `sellog`, imported."""
        loader = SourceFileLoader("sellog_bootstrap", str(self.root / "sellog"))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
        loader.exec_module(module)
        return module


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Checkout:
    made = Checkout(tmp_path / "checkout")
    monkeypatch.setenv("PATH", str(made.bin))
    return made


@pytest.fixture
def ready(checkout) -> Checkout:
    """A checkout whose environment for running is made, with a mark in it that shows whether it was kept."""
    checkout.module().ensure_environment(tests=False)
    checkout.installed()
    (checkout.venv / "mark").touch()
    return checkout


def test_it_can_be_read_by_a_python_too_old_to_run_sellog():
    ast.parse((ROOT / "sellog").read_text(), feature_version=(3, 6))


def test_it_tells_an_older_python_in_one_sentence_what_it_needs(checkout, monkeypatch, capsys):
    bootstrap = checkout.module()
    with pytest.raises(bootstrap.Problem, match=r"3\.11 or newer; this is 3\.9\.18 "):
        bootstrap.check_python((3, 9, 18, "final", 0))
    monkeypatch.setattr(bootstrap, "OLDEST_PYTHON", (99, 0))
    assert bootstrap.main(["demo"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not checkout.venv.exists()


def test_the_first_start_makes_the_environment_and_hands_over_from_any_folder(checkout, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "app").mkdir(parents=True)
    (elsewhere / "app" / "cli.py").write_text("print('a stranger')")
    code, output, errors = checkout.start("demo", "--port", "1", cwd=elsewhere)
    file, folder, prefix, arguments = json.loads(output)
    assert (code, errors.count("\n")) == (0, 1)
    assert (file, folder) == (str(checkout.root / "app" / "cli.py"), str(elsewhere))
    assert (prefix, arguments) == (str(checkout.venv), ["demo", "--port", "1"])
    assert (checkout.root / "uv.log").read_text().count("--require-hashes") == 2
    assert checkout.installed() == ["requirements.lock", "requirements-htmx.lock"]


def test_the_next_start_installs_and_says_nothing(ready):
    assert ready.start("demo")[::2] == (0, "")
    assert ready.installed() == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-htmx.lock"])
def test_a_changed_lock_is_installed_into_the_same_environment(ready, lock):
    ready.change(lock)
    ready.module().ensure_environment(tests=False)
    assert ready.installed() == ["requirements.lock", "requirements-htmx.lock"]
    assert (ready.venv / "mark").exists()


def test_the_test_tools_are_added_once_and_serve_every_command(ready):
    ready.change("requirements-test.lock")
    ready.module().ensure_environment(tests=False)
    assert ready.installed() == []
    for tests in (True, True, False):
        ready.module().ensure_environment(tests=tests)
    assert ready.installed() == ["requirements-test.lock", "requirements-htmx.lock"]
    assert (ready.venv / "mark").exists()


def test_an_environment_with_test_tools_keeps_them_when_the_locks_change(ready):
    ready.module().ensure_environment(tests=True)
    ready.installed()
    ready.change("requirements.lock")
    ready.module().ensure_environment(tests=False)
    assert ready.installed() == ["requirements-test.lock", "requirements-htmx.lock"]


def test_another_python_makes_the_environment_anew(ready, monkeypatch):
    bootstrap = ready.module()
    monkeypatch.setattr(bootstrap, "ABI", ".cpython-399-another.so")
    bootstrap.ensure_environment(tests=False)
    assert ready.installed() == ["requirements.lock", "requirements-htmx.lock"]
    assert not (ready.venv / "mark").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(ready):
    (ready.venv / "bin" / "python").unlink()
    ready.module().ensure_environment(tests=False)
    assert (ready.venv / "bin" / "python").exists()
    assert not (ready.venv / "mark").exists()


@pytest.fixture
def terminal() -> Iterator[None]:
    """What is started hears Ctrl-C, as at a terminal: it would ignore it where this process was told to."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("name", "code"), [("KILL", -signal.SIGKILL), ("INT", 130)])
def test_an_interrupted_install_is_never_believed(terminal, ready, name, code):
    ready.change("requirements.lock")
    ready.uv(f"kill -{name} $PPID; exit 1")
    stopped, _, errors = ready.start("demo")
    assert (stopped, errors.count("\n")) == (code, 1)
    ready.uv("exit 0")
    ready.module().ensure_environment(tests=False)
    assert not (ready.venv / "mark").exists()


@pytest.mark.parametrize("first_is_killed", [False, True])
def test_a_second_start_waits_while_anything_is_still_installing(checkout, first_is_killed):
    gate = checkout.root / "gate"
    os.mkfifo(gate)
    checkout.uv(f"read line < {gate}; exit 0")
    first = checkout.begin("first")
    assert "Making" in first.stderr.readline()
    with gate.open("w"):
        checkout.uv("exit 0")
        if first_is_killed:
            first.kill()
        second = checkout.begin("second")
        assert "Waiting" in second.stderr.readline()
    assert '["second"]' in second.communicate(timeout=30)[0]
    output = first.communicate(timeout=30)[0]
    assert (output == "") == first_is_killed
    both = ["requirements.lock", "requirements-htmx.lock"]
    assert checkout.installed() == (["requirements.lock", *both] if first_is_killed else both)


def give_pip(checkout: Checkout, source: str) -> None:
    venv.EnvBuilder(symlinks=True).create(checkout.venv)
    pip = next((checkout.venv / "lib").iterdir()) / "site-packages" / "pip"
    pip.mkdir()
    (pip / "__init__.py").touch()
    (pip / "__main__.py").write_text(source)


def test_pip_installs_where_uv_cannot(checkout):
    checkout.uv("exit 1")
    give_pip(checkout, f"import sys; print(*sys.argv[1:], file=open({str(checkout.root / 'uv.log')!r}, 'a'))")
    checkout.module().ensure_environment(tests=False)
    assert (checkout.root / "uv.log").read_text().count("--require-hashes") == 3
    assert checkout.installed() == ["requirements.lock", "requirements.lock", "requirements-htmx.lock"]
    assert checkout.module().is_ready(tests=False)


def test_a_failed_install_ends_with_the_reason_and_one_sentence(checkout):
    (checkout.bin / "uv").unlink()
    give_pip(checkout, "print('the first line\\n' * 20 + 'no such package'); raise SystemExit(1)")
    code, output, errors = checkout.start("demo")
    assert (code, output) == (1, "")
    assert errors.splitlines()[-2] == "no such package"
    assert "Installing failed" in errors.splitlines()[-1]
    assert len(errors.splitlines()) < 12
    assert not checkout.module().is_ready(tests=False)


def test_a_missing_venv_module_is_named_with_its_remedy(checkout, monkeypatch, capsys):
    bootstrap = checkout.module()
    monkeypatch.setitem(sys.modules, "venv", None)
    assert bootstrap.main(["demo"]) == 1
    assert "apt install python3-venv" in capsys.readouterr().err.splitlines()[-1]


def test_a_missing_ensurepip_is_the_same_as_a_missing_venv_module(checkout, monkeypatch, capsys):
    bootstrap = checkout.module()
    (checkout.bin / "uv").unlink()
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", {"ensurepip": None}.get)
    assert bootstrap.main(["demo"]) == 1
    assert "apt install python3-venv" in capsys.readouterr().err.splitlines()[-1]


def test_a_folder_that_cannot_be_written_gets_one_sentence(checkout, monkeypatch, capsys):
    def refuse(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert checkout.module().main(["demo"]) == 1
    assert capsys.readouterr().err.endswith(f"{checkout.venv}: Permission denied.\n")


def test_a_file_in_the_environments_place_gets_one_sentence(checkout):
    checkout.venv.touch()
    code, _, errors = checkout.start("demo")
    assert (code, errors.count("\n")) == (1, 1)


def test_the_test_tools_lock_holds_every_pin_of_the_lock_for_running():
    running, testing = ({line for line in (ROOT / lock).read_text().splitlines() if "==" in line} for lock in LOCKS[:2])
    assert running
    assert running <= testing


@pytest.fixture
def commands(tmp_path, monkeypatch) -> Path:
    """The only folder on PATH, as a user who may use apt and has asked for no browser."""
    folder = tmp_path / "commands"
    write_command(folder / "env", 'exec /usr/bin/env "$@"')
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("SELLOG_CHROMIUM", raising=False)
    return folder


def test_the_suite_takes_the_first_browser_that_starts(commands):
    write_command(commands / "chromium", "exit 1")
    write_command(commands / "google-chrome", "exit 0")
    assert suite.find_browser() == str(commands / "google-chrome")


def test_the_suite_installs_chromium_where_apt_may_be_used(commands):
    browser = commands / "chromium"
    install = f'case "$*" in *install*chromium) /bin/cp {commands}/env {browser};; esac'
    write_command(commands / "apt-get", install)
    assert suite.find_browser() is None
    assert suite.install_browser() == str(browser)


def test_the_suite_falls_back_to_the_browser_of_playwright(commands, monkeypatch):
    asked = []
    monkeypatch.setattr(suite, "succeeds", lambda command: asked.append(command) or True)
    assert suite.install_browser() is None
    assert asked == [[sys.executable, "-m", "playwright", "install", "chromium"]]


@pytest.mark.parametrize("asked", ["", "/nowhere/chromium"])
def test_the_suite_fails_loudly_without_a_browser(commands, monkeypatch, capsys, asked):
    monkeypatch.setenv("SELLOG_CHROMIUM", asked)
    monkeypatch.setattr(suite, "succeeds", lambda command: False)
    monkeypatch.setattr(suite, "pytest_command", lambda args: [sys.executable, "-c", ""])
    assert suite.run_tests([]) == 1
    assert "Chromium" in capsys.readouterr().err.replace("CHROMIUM", "Chromium").splitlines()[-1]


def test_the_suite_hands_on_the_browser_and_pytests_exit_code(commands, monkeypatch):
    write_command(commands / "chromium", "exit 0")
    report = "import os, sys; sys.exit(5 if os.environ['SELLOG_CHROMIUM'].endswith('/chromium') else 0)"
    monkeypatch.setattr(suite, "pytest_command", lambda args: [sys.executable, "-c", report])
    assert suite.run_tests([]) == 5


@pytest.mark.parametrize(
    ("args", "spread"),
    [
        (["-k", "name"], True),
        (["--no-header"], True),
        (["-n", "3"], False),
        (["-n0"], False),
        (["--numprocesses=2"], False),
        (["-p", "no:xdist"], False),
        (["-k", "name", "--pdb"], False),
        (["-s"], False),
    ],
)
def test_the_suite_uses_every_processor_unless_told_otherwise(args, spread):
    command = suite.pytest_command(args)
    assert command[-len(args) :] == args
    assert (command[4:6] == ["-n", str(suite.processors())]) == spread
