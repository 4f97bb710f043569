"""The structure of the code base: what may import what, where libraries live, what is pure, keys, sizes of the top.

Table owners, words, sizes and README have tests of their own beside this one; `tests/not_yet.py` lists what is not kept yet.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from piccolo.columns import ForeignKey
from piccolo.columns.base import OnDelete
from piccolo.table import Table

from marketplace.core.districts import DISTRICTS
from marketplace.people.identity.tables import Person
from tests.support.districts import is_below, packages
from tests.support.ratchet import check, differences, rule
from tests.support.source import (
    ROOT,
    Finding,
    file_of_module,
    imports_of,
    nodes_of,
    package_of,
    product_files,
    text_of,
    tracked,
    tree_of,
)

LAYERS = {"tables": 0, "rules": 1, "queries": 2, "actions": 3, "pages": 4, "api": 4}
"""Inside a package imports point down these; `run_pages.py` is a `pages`. Other files are what they import."""
ONLY_IN = {
    "stripe": r"marketplace/(money/payments|demo/stripe_counterpart)/",
    "duckdb": r"marketplace/datasets/builds/",
    "opendp": r"marketplace/privacy/",
    "ortools": r"pricing/auctions/bundles\.py",
    "apscheduler": r"marketplace/site/jobs/",
    "litestar": r"marketplace/(core/web/|site/serving/|demo/|site/(app|answers|webhooks|metrics)\.py|[a-z]+/routes\.py|.*[/_](pages|api|guards)\.py)",
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
        "marketplace.core.errors",
        "marketplace.core.instants",
        "marketplace.core.local_time",
        "marketplace.privacy",
        "marketplace.core.words",
    },
    "marketplace/privacy/simulation": {
        "numpy",
        "marketplace.core.errors",
        "marketplace.privacy",
        "marketplace.privacy.simulation",
    },
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
"""What actions may use of `core.web.formats`: the page's language is nothing to it; a language, if any, is an argument."""
MOST_LINES_OF_README = 90
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


@cache
def neighbours_of(path: str) -> dict[str, int]:
    """Return the files of its own package that a file imports, with the line."""
    found: dict[str, int] = {}
    for module, line in imports_of(path):
        other = file_of_module(module)
        if other and other != path and package_of(other) == package_of(path) and not other.endswith("__init__.py"):
            found.setdefault(other, line)
    return found


def reached_from(path: str) -> dict[str, int]:
    """Return the files of its own package that a file imports, directly or through others, with its own line for it."""
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
    """Return the imports inside a package that run in a circle, or up its layers, directly or through other files."""
    found = []
    for path in product_files():
        if path.count("/") < 2:
            continue
        layer = layer_of(path)
        for other, line in reached_from(path).items():
            theirs = layer_of(other)
            if other == path:
                found.append(Finding(path, line, "imports itself through other files of its package"))
            elif layer is not None and theirs is not None and theirs > layer:
                found.append(Finding(path, line, f"reaches {other}, which is above it in the package"))
            elif layer == 0 and theirs != 0:
                found.append(Finding(path, line, f"reaches {other}, and tables import only tables"))
    return found


def test_imports_inside_a_package_point_down_its_layers() -> None:
    check(imports_against_layers)


@rule
def impure_rules() -> list[Finding]:
    """Return what a package's rules do beside deciding: they read no database and no clock, and never await."""
    found = []
    for path in product_files():
        if layer_of(path) != LAYERS["rules"]:
            continue
        for module, line in imports_of(path):
            if module in {"marketplace.core.database", "marketplace.core.clock", "marketplace.core.object_store"}:
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
        if isinstance(node, ast.ImportFrom)
        and node.module in {"marketplace.core.web.i18n", "marketplace.core.web.formats"}
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
MAY_SLEEP = (
    "tests/support/waiting.py",
    "tests/benchmarks/",
    "tests/structure/test_house.py",
    "tests/site/serving/test_overload.py",
)
"""Who polls for all, who sends work at a rate, and whose requests must last."""


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
    *("Session", "Authenticator", "Passkey", "PasskeyChallenge", "RecoveryCode"),
    "Invitation",
    *("SavedSearch", "SearchMatch"),
}
"""Tables of what opens an account, or is watched for somebody, and is nobody's without one person: their rows are deleted in cascade."""


def wrong_keys(tables: Iterable[type[Table]]) -> list[str]:
    """Return the foreign keys that point at a district above, or delete in cascade what must stay."""
    wrong = []
    for table in tables:
        here = package_of(table.__module__.replace(".", "/"))
        for column in table._meta.columns:
            if isinstance(column, ForeignKey):
                there = package_of(column._foreign_key_meta.resolved_references.__module__.replace(".", "/"))
                if not is_below(there, here):
                    wrong.append(f"{table.__name__}.{column._meta.name} points up, at {there}")
                if (
                    str(column._foreign_key_meta.on_delete.value) == "CASCADE"
                    and table.__name__ not in GO_WITH_THE_PERSON
                ):
                    wrong.append(f"{table.__name__}.{column._meta.name} would delete in cascade")
    return wrong


def test_foreign_keys_point_down_the_districts() -> None:
    from migrations.schema import tables  # noqa: PLC0415 (the rules above need no tables)

    wrong = wrong_keys(tables())
    assert not wrong, "\n".join(wrong)


def test_the_top_level_is_the_card() -> None:
    found = {path.split("/")[0] for path in tracked("*")}
    assert {name for name in found if not name.startswith(".")} == TOP


PIN = re.compile(r"^([a-z0-9][\w.-]*)(?:\[([\w,.-]+)\])?==", re.MULTILINE)
"""A package that a lock pins, and the extras that it is pinned with."""


def test_no_file_keeps_both_sides_of_a_merge() -> None:
    marked = [path for path in tracked() if re.search(rb"^(<{7}|>{7}) ", (ROOT / path).read_bytes(), re.MULTILINE)]
    assert not marked


@pytest.mark.parametrize(
    ("lock", "least"), [("requirements.lock", 50), ("tests/requirements.lock", 50), (".installer.lock", 1)]
)
def test_locks_pin_with_hashes_and_name_no_address(lock: str, least: int) -> None:
    text = text_of(lock)
    assert "://" not in text
    pins = re.findall(rf"{PIN.pattern}[^\n]+\\\n((?:    --hash=sha256:[0-9a-f]{{64}}(?: \\)?\n)+)", text, re.MULTILINE)
    assert len(pins) == len(PIN.findall(text)) >= least


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
    folders = {f"marketplace/{package}" for package in packages()} | {"pricing", "migrations", "tests"}
    page = text_of("marketplace/site/docs/developer/architecture.md")
    parts = page.split("\n## The parts\n", 1)[1].split("\n## ", 1)[0]
    named = re.findall(r"^\| `([\w./]+)` \|", parts, re.MULTILINE)
    lacking = folders - set(named)
    assert not lacking, f"the map of marketplace/site/docs/developer/architecture.md lacks {sorted(lacking)}"
    gone = [name for name in named if not (ROOT / name).exists()]
    assert not gone, f"the map of marketplace/site/docs/developer/architecture.md names what does not exist: {gone}"


def test_readme_has_a_line_for_each_district_and_fits_two_screens() -> None:
    text = text_of("README.md")
    named = re.findall(r"^\| `([\w]+)` \| (.+) \|$", text, re.MULTILINE)
    assert [name for name, _ in named] == [*reversed(DISTRICTS), "pricing"], "a line each, the highest first"
    captions = {name: ast.get_docstring(tree_of(path)) or "" for name, path in packages().items()}
    assert all(f"{what[0].upper()}{what[1:]}." == captions[name] for name, what in named if name in captions)
    assert text.count("\n") < MOST_LINES_OF_README


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
    findings = [Finding("marketplace/consent/purposes/rules.py", line, "is wrong") for line in (3, 9)]
    assert differences(findings, {"marketplace/consent/purposes": 2}, "words") == []
    assert differences(findings, {}, "words") == [
        "marketplace/consent/purposes/rules.py:3 is wrong",
        "marketplace/consent/purposes/rules.py:9 is wrong",
    ]
    assert differences(findings, {"marketplace/consent/purposes": 1}, "words")[-1] == (
        "marketplace/consent/purposes: 2 findings of words, where 1 are allowed"
    )
    assert differences([], {"marketplace/consent/purposes": 2}, "words") == [
        "tests/not_yet.py allows marketplace/consent/purposes 2 findings of words; lower it to 0"
    ]


class Beside(Table):
    """A table of core that points at one of people."""

    person = ForeignKey(Person, on_delete=OnDelete.restrict)


class Falling(Table):
    """A table of money whose rows go with the person's."""

    person = ForeignKey(Person, on_delete=OnDelete.cascade)


def test_a_key_that_points_up_or_deletes_in_cascade_is_found() -> None:
    Beside.__module__, Falling.__module__ = "marketplace.core.facts.tables", "marketplace.money.ledger.tables"
    assert wrong_keys([Beside, Falling]) == [
        "Beside.person points up, at people/identity",
        "Falling.person would delete in cascade",
    ]
