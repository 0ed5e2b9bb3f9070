"""Imports run one way, and time and chance come in by one door. Read from the source, so that nothing escapes."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

APP = Path(__file__).parent.parent / "app"

# A module may import from its own layer and from those above it in this list.
LAYERS = (
    {"clock", "money", "settings", "sealing", "language", "failures", "metrics"},
    {"engine", "sqlite_engine", "postgres_engine", "database"},
    {"rows"},
    {"background"},
    {"jobs"},
    {"messages"},
    {"shops", "pages", "incoming"},
    {"orders"},
    {"payments"},
    {"checkout", "owners"},
    {"errors", "edge"},
    {"main", "piccolo_app"},
    {"migrating", "checking", "sample", "registering", "serving", "suite"},
    {"simulation"},
    {"history"},
    {"demo", "demo_contracts"},
    {"cli"},
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

# What would escape the one seam for time and entropy.
FORBIDDEN = {
    "time": {"time", "monotonic", "sleep", "perf_counter"},
    "datetime": {"now", "utcnow", "today"},
    "uuid": {"uuid1", "uuid4"},
    "os": {"urandom"},
    "asyncio": {"to_thread"},
}
MODULES_OF_CHANCE = {"random", "secrets"}
# Only these start the sandbox.
PLAYING = {"demo", "history", "simulation"}
NO_NAMES = {"utils", "helpers", "services", "managers", "common"}


def modules() -> list[Path]:
    return sorted(path for path in APP.rglob("*.py") if "sandbox" not in path.relative_to(APP).parts)


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "app":
            yield from (f"app.{name.name}" for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def part_of(path: Path) -> str:
    """The part of the app that a file belongs to: a folder's name, or a module's."""
    return path.relative_to(APP).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(APP)))
def test_a_module_imports_only_what_stands_above_it(path: Path) -> None:
    if path == APP / "__init__.py":
        assert path.read_text() == ""
        return
    for name in imports_of(path):
        if name.startswith("app."):
            other = name.split(".")[1]
            assert other != "sandbox" or part_of(path) in PLAYING, f"{path} imports the sandbox"
            assert other == "sandbox" or RANK[other] <= RANK[part_of(path)], f"{path} imports {name}"


def test_the_sandbox_shares_nothing_with_the_shop() -> None:
    for path in (APP / "sandbox").glob("*.py"):
        for name in imports_of(path):
            assert not name.startswith("app.") or name.startswith("app.sandbox"), f"{path} imports {name}"


def test_providers_know_no_table_and_no_web_framework() -> None:
    for path in (APP / "payments" / "providers").glob("*.py"):
        for name in imports_of(path):
            assert not name.startswith(("litestar", "piccolo", "jinja2")), f"{path} imports {name}"
            assert not name.endswith("tables"), f"{path} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(APP)))
def test_time_and_chance_come_from_the_clock(path: Path) -> None:
    if path == APP / "clock.py" or part_of(path) == "simulation":
        # The simulation is what stands behind the door: it makes time and chance.
        return
    assert not MODULES_OF_CHANCE & set(imports_of(path))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.attr not in FORBIDDEN.get(node.value.id, ()), f"{path}: {node.value.id}.{node.attr}"
        if isinstance(node, ast.ImportFrom):
            taken = {name.name for name in node.names}
            assert not taken & FORBIDDEN.get(node.module or "", set()), f"{path}: from {node.module}"
            # `from app.clock import now` would not notice that a test replaced the clock.
            assert node.module != "app.clock", path


def test_no_part_is_named_after_nothing() -> None:
    names = {part.removesuffix(".py") for path in APP.rglob("*.py") for part in path.relative_to(APP).parts}
    assert not names & NO_NAMES
