"""The structure of the code base: what may import what, where libraries live, what is pure, keys, sizes of the top.

Table owners, words, sizes and README have tests of their own beside this one; `tests/not_yet.py` lists what is not kept yet.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.floors import FLOOR_OF, is_below, without_floor
from tests.support.ratchet import check, differences, rule
from tests.support.source import (
    PRODUCT,
    ROOT,
    Finding,
    file_of,
    imports_of,
    nodes_of,
    product_files,
    slice_of,
    text_of,
    tracked,
    tree_of,
)

LAYERS = {"tables": 0, "rules": 1, "queries": 2, "actions": 3, "pages": 4, "api": 4}
"""Inside a slice imports point down these; `run_pages.py` is a `pages`. Other files are what they import."""
ONLY_IN = {
    "stripe": r"marketplace/(payments|embedded/stripe_counterpart)/",
    "duckdb": r"marketplace/builds/",
    "opendp": r"marketplace/privacy/",
    "ortools": r"pricing/auctions/bundles\.py",
    "apscheduler": r"marketplace/jobs/",
    "litestar": r"marketplace/(web/|serving/|embedded/|(app|webhooks|metrics)\.py|.*[/_](pages|api|guards)\.py)",
}
"""Each library's only files, as a pattern of paths."""
PURE = {
    "pricing": {"numpy", "scipy", "ortools", "rfc8785", "pricing"},
    "marketplace/privacy": {
        "numpy",
        "scipy",
        "pyarrow",
        "opendp",
        "h3",
        "rfc8785",
        "cryptography",
        "pricing",
        "marketplace.errors",
        "marketplace.instants",
        "marketplace.local_time",
        "marketplace.privacy",
        "marketplace.words",
    },
    "marketplace/simulation": {"numpy", "marketplace.errors", "marketplace.privacy", "marketplace.simulation"},
}
"""What a pure package may import beside the standard library: only what computes."""
COMMAND_LINES = {"pricing/__main__.py"}
"""Files of pure packages that read and print; what they import is held to the same list."""
IMPURE_MODULES = {
    "asyncio",
    "concurrent",
    "http",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "select",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
}
IMPURE_CALLS = {
    "open",
    "print",
    "input",
    "now",
    "utcnow",
    "today",
    "urandom",
    "getenv",
    "read_text",
    "write_text",
    "read_bytes",
    "write_bytes",
}
SAME_IN_EVERY_LANGUAGE = {"PARIS", "moment_in_words", "paris_day", "percent_in_words", "read_cents", "read_instant"}
"""What actions may use of `web.formats`: the page's language is nothing to it; a language, if any, is an argument."""
TOP = {
    "pyproject.toml",
    "README.md",
    "marketplace",
    "pricing",
    "migrations",
    "tests",
    "docker-compose.yml",
    "requirements.lock",
    "LICENSE",
}


def test_every_slice_has_a_floor() -> None:
    assert not without_floor(), f"tests/support/floors.py has no floor for {', '.join(without_floor())}"


@rule
def imports_upward() -> list[Finding]:
    """Return the imports of a slice that is not below."""
    return [
        Finding(path, line, f"{here} imports {module}, which is not below it")
        for path in product_files()
        if (here := slice_of(path)) in FLOOR_OF
        for module, line in imports_of(path)
        if module.split(".")[0] in PRODUCT
        and (there := slice_of(module.replace(".", "/"))) in FLOOR_OF
        and not is_below(there, here)
    ]


def test_imports_point_down_the_floors() -> None:
    check(imports_upward)


@cache
def neighbours_of(path: str) -> dict[str, int]:
    """Return the files of its own slice that a file imports, with the line."""
    found: dict[str, int] = {}
    for module, line in imports_of(path):
        other = file_of(module)
        if other and other != path and slice_of(other) == slice_of(path) and not other.endswith("__init__.py"):
            found.setdefault(other, line)
    return found


def reached_from(path: str) -> dict[str, int]:
    """Return the files of its own slice that a file imports, directly or through others, with its own line for it."""
    found: dict[str, int] = {}
    for first, line in neighbours_of(path).items():
        waiting = [first]
        while waiting:
            other = waiting.pop()
            if other not in found:
                found[other] = line
                waiting += neighbours_of(other)
    return found


def layer_of(path: str) -> int | None:
    return LAYERS.get(path.rpartition("/")[2].removesuffix(".py").rpartition("_")[2])


@rule
def imports_against_layers() -> list[Finding]:
    """Return the imports inside a slice that run in a circle, or up its layers, directly or through other files."""
    found = []
    for path in product_files():
        if path.count("/") < 2:
            continue
        layer = layer_of(path)
        for other, line in reached_from(path).items():
            theirs = layer_of(other)
            if other == path:
                found.append(Finding(path, line, "imports itself through other files of its slice"))
            elif layer is not None and theirs is not None and theirs > layer:
                found.append(Finding(path, line, f"reaches {other}, which is above it in the slice"))
            elif layer == 0 and theirs != 0:
                found.append(Finding(path, line, f"reaches {other}, and tables import only tables"))
    return found


def test_imports_inside_a_slice_point_down_its_layers() -> None:
    check(imports_against_layers)


@rule
def impure_rules() -> list[Finding]:
    """Return what a slice's rules do beside deciding: they read no database and no clock, and never await."""
    found = []
    for path in product_files():
        if layer_of(path) != LAYERS["rules"]:
            continue
        for module, line in imports_of(path):
            if module in {"marketplace.database", "marketplace.clock", "marketplace.object_store"}:
                found.append(Finding(path, line, f"imports {module}, and rules only decide"))
        found += [
            Finding(path, node.lineno, "is asynchronous, and rules only decide")
            for node in nodes_of(path)
            if isinstance(node, ast.AsyncFunctionDef | ast.Await)
        ]
    return found


def test_rules_are_pure() -> None:
    check(impure_rules)


@rule
def languages_below_pages() -> list[Finding]:
    """Return the tables, rules, queries and actions that know the visitor's language: pages pass words."""
    return [
        Finding(path, node.lineno, f"imports {alias.name} of {node.module}; pages know the visitor's language")
        for path in product_files()
        if path.startswith("marketplace/") and (layer_of(path) or 0) < LAYERS["pages"] and layer_of(path) is not None
        for node in nodes_of(path)
        if isinstance(node, ast.ImportFrom) and node.module in {"marketplace.web.i18n", "marketplace.web.formats"}
        for alias in node.names
        if alias.name not in SAME_IN_EVERY_LANGUAGE
    ]


def test_actions_know_no_language() -> None:
    check(languages_below_pages)


@rule
def packages_that_export_again() -> list[Finding]:
    """Return the `__init__.py` with anything but a docstring: a name has one address."""
    return [
        Finding(path, statement.lineno, "is more than a docstring in an __init__.py; a name has one address")
        for path in product_files()
        if path.endswith("__init__.py") and path.startswith("marketplace/")
        for statement in tree_of(path).body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    ]


def test_packages_export_nothing_again() -> None:
    check(packages_that_export_again)


@rule
def libraries_elsewhere() -> list[Finding]:
    """Return the imports of a library outside its only files."""
    return [
        Finding(path, line, f"imports {module}, which belongs in {ONLY_IN[library]}")
        for path in product_files()
        for module, line in imports_of(path)
        if (library := module.split(".")[0]) in ONLY_IN and not re.match(ONLY_IN[library], path)
    ]


def test_some_libraries_live_behind_one_wall() -> None:
    check(libraries_elsewhere)


def imports_beyond(path: str, allowed: set[str]) -> list[Finding]:
    """Return the imports of a file of a pure package beyond those allowed; only its command line may import I/O."""
    impure = set() if path in COMMAND_LINES else IMPURE_MODULES
    found = []
    for module, line in imports_of(path):
        top = module.split(".")[0]
        standard = top in sys.stdlib_module_names and top not in impure
        if not standard and not any(module == one or module.startswith(f"{one}.") for one in allowed):
            found.append(Finding(path, line, f"imports {module}, which a pure package may not"))
    return found


def impurities_in(path: str) -> list[Finding]:
    """Return what a file of a pure package does beside computing: I/O, clocks, async, randomness without a generator."""
    found = []
    for node in nodes_of(path):
        match node:
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncWith() | ast.AsyncFor():
                found.append(Finding(path, node.lineno, "is asynchronous"))
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in IMPURE_CALLS:
                found.append(Finding(path, node.lineno, f"calls {name}"))
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[], keywords=[]) if (
                name == "default_rng"
            ):
                found.append(Finding(path, node.lineno, "draws from a generator that no caller passed in"))
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="np"), attr="random"), attr=name) if name not in {
                "Generator",
                "default_rng",
                "PCG64",
            }:
                found.append(Finding(path, node.lineno, f"draws from numpy's shared generator: np.random.{name}"))
    return found


@rule
def impurities() -> list[Finding]:
    """Return the impurities of `pricing`, whose command line alone reads files, and of `privacy`."""
    return [
        finding
        for package, allowed in PURE.items()
        for path in product_files()
        if path.startswith(f"{package}/")
        for finding in (*imports_beyond(path, allowed), *([] if path in COMMAND_LINES else impurities_in(path)))
    ]


def test_pricing_and_privacy_are_pure() -> None:
    check(impurities)


SLEEP = re.compile(r"\b(pg_)?sleep\((?!0\))")
MAY_SLEEP = ("tests/support/waiting.py", "tests/benchmarks/", "tests/test_house.py")
"""Who polls for all, and who sends work at a rate."""


def test_no_test_waits_by_the_clock() -> None:
    found = [
        f"{path}:{number}: wait for a condition, by tests/support/waiting.py"
        for path in tracked()
        if path.startswith("tests/") and path.endswith(".py") and not path.startswith(MAY_SLEEP)
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if SLEEP.search(line)
    ]
    assert not found, "\n".join(found)


GO_WITH_THE_PERSON = {
    "AddressChange",
    "IdentityLink",
    "WalletLink",
    *("Session", "Authenticator", "Passkey", "PasskeyChallenge", "RecoveryCode", "ConfirmationLetter"),
    "Invitation",
    *("SavedSearch", "SearchMatch"),
}
"""Tables of what opens an account, or is watched for somebody, and is nobody's without one person: their rows are deleted in cascade."""


def test_foreign_keys_point_down_the_floors() -> None:
    from piccolo.columns import ForeignKey  # noqa: PLC0415

    from migrations.piccolo_app import tables  # noqa: PLC0415

    wrong = []
    for table in tables():
        here = table.__module__.split(".")[1]
        for column in table._meta.columns:
            if isinstance(column, ForeignKey):
                there = column._foreign_key_meta.resolved_references.__module__.split(".")[1]
                if not is_below(there, here):
                    wrong.append(f"{table.__name__}.{column._meta.name} points up, at {there}")
                if (
                    str(column._foreign_key_meta.on_delete.value) == "CASCADE"
                    and table.__name__ not in GO_WITH_THE_PERSON
                ):
                    wrong.append(f"{table.__name__}.{column._meta.name} would delete in cascade")
    assert not wrong, "\n".join(wrong)


def test_the_top_level_is_the_card() -> None:
    found = {path.split("/")[0] for path in tracked("*")}
    assert {name for name in found if not name.startswith(".")} == TOP


PIN = re.compile(r"^([a-z0-9][\w.-]*)(?:\[([\w,.-]+)\])?==", re.MULTILINE)
"""A package that a lock pins, and the extras that it is pinned with."""


def test_no_file_keeps_both_sides_of_a_merge() -> None:
    marked = [path for path in tracked() if re.search(rb"^(<{7}|>{7}) ", (ROOT / path).read_bytes(), re.MULTILINE)]
    assert not marked


@pytest.mark.parametrize("lock", ["requirements.lock", "tests/requirements.lock"])
def test_locks_pin_with_hashes_and_name_no_address(lock: str) -> None:
    text = text_of(lock)
    assert "://" not in text
    pins = re.findall(rf"{PIN.pattern}[^\n]+\\\n((?:    --hash=sha256:[0-9a-f]{{64}}(?: \\)?\n)+)", text, re.MULTILINE)
    assert len(pins) == len(PIN.findall(text)) > 50


@pytest.mark.parametrize("lock", ["requirements.lock", "tests/requirements.lock"])
def test_locks_pin_with_the_extras_that_others_ask_for(lock: str) -> None:
    """Where somebody asks for `a[b]` and the lock has `a`, pip looks for a newer `a[b]`, which has no hash."""
    pinned = {name: set(extras.split(",")) - {""} for name, extras in PIN.findall(text_of(lock))}
    missing = [
        f"{name} asks for {wanted.name}[{','.join(sorted(wanted.extras))}], which {lock} pins without"
        for name, extras in pinned.items()
        for wanted in extras_asked_by(name, extras)
        if not wanted.extras <= pinned.get(canonicalize_name(wanted.name), wanted.extras)
    ]
    assert not missing, "\n".join(missing)


def extras_asked_by(name: str, extras: set[str]) -> list[Requirement]:
    """List what an installed package, with these extras of its own, asks for with extras; nothing where it is not installed."""
    try:
        asked = [Requirement(line) for line in metadata.requires(name) or []]
    except metadata.PackageNotFoundError:  # another platform's
        return []
    active = [{"extra": extra} for extra in ("", *extras)]
    return [one for one in asked if one.extras and (not one.marker or any(map(one.marker.evaluate, active)))]


def test_the_manual_maps_every_folder() -> None:
    folders = {path.parent.name for path in ROOT.glob("marketplace/*/__init__.py")} | {"pricing", "migrations", "tests"}
    parts = text_of("marketplace/docs/developer/architecture.md").split("\n## The parts\n", 1)[1].split("\n## ", 1)[0]
    named = re.findall(r"^\| `([\w./]+)` \|", parts, re.MULTILINE)
    lacking = folders - {name.split("/")[-1] for name in named}
    assert not lacking, f"the map of marketplace/docs/developer/architecture.md lacks {sorted(lacking)}"
    gone = [name for name in named if not (ROOT / name).exists()]
    assert not gone, f"the map of marketplace/docs/developer/architecture.md names what does not exist: {gone}"


def test_ruff_has_no_finding() -> None:
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


@pytest.mark.deep
def test_the_type_checker_has_no_finding() -> None:
    result = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_ledger_of_exceptions_only_shrinks() -> None:
    findings = [Finding("marketplace/consent/rules.py", line, "is wrong") for line in (3, 9)]
    assert differences(findings, {"marketplace/consent": 2}, "words") == []
    assert differences(findings, {}, "words") == [
        "marketplace/consent/rules.py:3 is wrong",
        "marketplace/consent/rules.py:9 is wrong",
    ]
    assert differences(findings, {"marketplace/consent": 1}, "words")[-1] == (
        "marketplace/consent: 2 findings of words, where 1 are allowed"
    )
    assert differences([], {"marketplace/consent": 2}, "words") == [
        "tests/not_yet.py allows marketplace/consent 2 findings of words; lower it to 0"
    ]
