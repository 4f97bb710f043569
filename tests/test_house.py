"""The house keeps its shape: direction of imports and keys, who may import what, names at the top, README's tables."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = [
    {"pricing"},
    {"errors"},
    {"clock", "settings", "paging", "progress", "statements"},
    {"database", "object_store", "web"},
    {"locks", "privacy"},
    {"identity"},
    {"ledger", "consent"},
    {"payments"},
    {"builds"},
    {"datasets"},
    {"catalogue"},
    {"purchases"},
    {"auctions", "delivery"},
    {"earnings"},
    {"bank"},
    {"finance"},
    {"bookkeeping"},
    {"invariants"},
    {"docs"},
    {"webhooks", "jobs"},
    {"metrics"},
    {"app"},
    {"migrations"},
    {"embedded"},
    {"__main__"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ONLY_IN = {
    "stripe": ("marketplace/payments/", "marketplace/embedded/stripe_counterpart/"),
    "duckdb": ("marketplace/builds/",),
    "opendp": ("marketplace/privacy/",),
    "ortools": ("pricing/auctions/bundles.py",),
    "apscheduler": ("marketplace/jobs/",),
    "litestar": (
        "marketplace/web/", "marketplace/app.py", "marketplace/webhooks.py", "marketplace/metrics.py", "marketplace/identity/actors.py",
        "marketplace/identity/sessions.py", "pages.py", "api.py", "marketplace/embedded/",
    ),
}  # fmt: skip
PRICING_MAY_IMPORT = {"numpy", "ortools", "rfc8785", "pricing"} | sys.stdlib_module_names
CARD = {
    "pyproject.toml", "README.md", "marketplace", "pricing", "migrations", "tests", "docker-compose.yml",
    "requirements.lock", "LICENSE",
}  # fmt: skip
LONGEST_FILE = 500


def tracked(*patterns: str) -> list[Path]:
    """List the files of the repository, or of the working tree where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        return [path for pattern in patterns for path in ROOT.rglob(pattern) if ".venv" not in path.parts]
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


SOURCES = [
    path for path in tracked("*.py") if path.relative_to(ROOT).parts[0] in {"marketplace", "pricing", "migrations"}
]


def imports(path: Path) -> list[tuple[str, int]]:
    """Return every module a file imports, with the line; inside functions and TYPE_CHECKING too."""
    found: list[tuple[str, int]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found += [
                (f"{module}.{alias.name}" if module == "marketplace" else module, node.lineno) for alias in node.names
            ]
    return found


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "marketplace" else parts[0]


def test_every_import_points_down_the_house() -> None:
    wrong = []
    for path in SOURCES:
        here = room_of(path)
        if here in {"__init__", "_bootstrap"} or here not in FLOOR_OF:
            continue
        for module, line in imports(path):
            parts = module.split(".")
            there = parts[1] if parts[0] == "marketplace" and len(parts) > 1 else parts[0]
            known = there in FLOOR_OF and parts[0] in {"marketplace", "pricing", "migrations"}
            if known and there != here and FLOOR_OF[there] >= FLOOR_OF[here]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} in {here} imports {there}, which is not below it")
    assert not wrong, "\n".join(wrong)


def test_some_libraries_live_behind_one_wall() -> None:
    wrong = []
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        for module, line in imports(path):
            allowed = ONLY_IN.get(module.split(".")[0])
            if allowed and not any(
                name.startswith(place) or name.endswith(("/" + place, "_" + place)) for place in allowed
            ):
                wrong.append(f"{name}:{line} imports {module}, which only {', '.join(allowed)} may")
    assert not wrong, "\n".join(wrong)


def test_pricing_is_pure() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in SOURCES
        if room_of(path) == "pricing"
        for module, line in imports(path)
        if module.split(".")[0] not in PRICING_MAY_IMPORT
    ]
    assert not wrong, "\n".join(wrong)
    impure = [
        f"{path.relative_to(ROOT)} uses {word}"
        for path in SOURCES
        if room_of(path) == "pricing" and path.name != "__main__.py"
        for word in re.findall(
            r"\b(open\(|datetime\.now|time\.time|async def|default_rng\(\)|print\()", path.read_text()
        )
    ]
    assert not impure, "\n".join(impure)


def test_foreign_keys_point_down_the_house() -> None:
    from piccolo.columns import ForeignKey  # noqa: PLC0415

    from migrations.piccolo_app import tables  # noqa: PLC0415

    wrong = []
    for table in tables():
        here = table.__module__.split(".")[1]
        for column in table._meta.columns:
            if isinstance(column, ForeignKey):
                there = column._foreign_key_meta.resolved_references.__module__.split(".")[1]
                if FLOOR_OF[there] > FLOOR_OF[here]:
                    wrong.append(f"{table.__name__}.{column._meta.name} points up, at {there}")
                if str(column._foreign_key_meta.on_delete.value) == "CASCADE" and table.__name__ != "Session":
                    wrong.append(f"{table.__name__}.{column._meta.name} would delete in cascade")
    assert not wrong, "\n".join(wrong)


def test_the_top_level_is_the_card() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in tracked("*")}
    assert {name for name in found if not name.startswith(".")} == CARD


def test_no_file_grows_into_a_monster() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {n} lines"
        for path in tracked("*.py")
        if (n := path.read_text().count("\n")) > LONGEST_FILE
    ]
    assert not long, "\n".join(long)


@pytest.mark.parametrize("lock", ["requirements.lock", "tests/requirements.lock"])
def test_locks_pin_with_hashes_and_name_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    pins = re.findall(
        r"^[a-z0-9][\w.-]*==[^\n]+\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE
    )
    assert len(pins) == len(re.findall(r"^[a-z0-9][\w.-]*==", text, re.MULTILINE)) > 50


def test_the_manual_maps_every_room() -> None:
    rooms = {path.parent.name for path in ROOT.glob("marketplace/*/__init__.py")} | {"pricing", "migrations", "tests"}
    table = (ROOT / "marketplace/docs/developer/architecture.md").read_text()
    named = re.findall(r"^\| `([\w./]+)` \|", table, re.MULTILINE)
    assert rooms <= {name.split("/")[-1] for name in named}, "the map lacks a room"
    gone = [name for name in named if not (ROOT / name).exists()]
    assert not gone, f"the map names what is not there: {gone}"


def test_ruff_has_nothing_to_say() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format=concise", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    result = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", "."], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_the_type_checker_has_nothing_to_say() -> None:
    result = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
