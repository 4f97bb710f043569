"""The repository as the tests of structure see it: its files, their areas, and the findings of a rule."""

import ast
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("marketplace", "pricing", "migrations")
PLANTED: dict[str, str] = {}
"""The files that stand for the whole repository while a rule is tried on a planted fault; see `planted`."""


class Finding(Struct, frozen=True, order=True):
    """One place where a rule is broken; as text it is the sentence a test fails with."""

    path: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.sentence}"

    @property
    def area(self) -> str:
        return area_of(self.path)


@contextmanager
def planted(files: dict[str, str]) -> Iterator[None]:
    """Have the repository list these files alone. Their paths are new ones, for what was read of a path is cached."""
    assert not any((ROOT / path).exists() for path in files)
    PLANTED.update(files)
    try:
        yield
    finally:
        PLANTED.clear()


def tracked(*patterns: str) -> tuple[str, ...]:
    """List the files of the repository, or of the working tree where there is no git, as paths from its root."""
    if PLANTED:
        return tuple(path for path in PLANTED if any(fnmatch(path, pattern) for pattern in patterns or ("*",)))
    return _tracked(*patterns)


@cache
def _tracked(*patterns: str) -> tuple[str, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        found = {path for pattern in patterns for path in ROOT.rglob(pattern) if ".venv" not in path.parts}
        return tuple(sorted(str(path.relative_to(ROOT)) for path in found if path.is_file()))
    return tuple(sorted({line for line in listed.stdout.splitlines() if (ROOT / line).is_file()}))


@cache
def text_of(path: str) -> str:
    return PLANTED[path] if path in PLANTED else (ROOT / path).read_text("utf-8")


@cache
def tree_of(path: str) -> ast.Module:
    return ast.parse(text_of(path), path)


@cache
def nodes_of(path: str) -> tuple[ast.AST, ...]:
    """Return every node of a Python file, outer ones first."""
    return tuple(ast.walk(tree_of(path)))


@cache
def imports_of(path: str) -> tuple[tuple[str, int], ...]:
    """Return every module that a file imports, with the line; inside functions and TYPE_CHECKING too.

    `from marketplace.money.ledger import chart` imports `marketplace.money.ledger.chart`, a name of a module only the module.
    """
    found: list[tuple[str, int]] = []
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.append((inner if file_of_module(inner) else node.module, node.lineno))
    return tuple(dict.fromkeys(found))


@cache
def file_of_module(module: str) -> str | None:
    """Return the path of a module of ours; None for any other."""
    path = module.replace(".", "/")
    return next((found for found in (f"{path}.py", f"{path}/__init__.py") if (ROOT / found).is_file()), None)


def product_files() -> tuple[str, ...]:
    """List the Python files of the product: everything but tests."""
    return tuple(path for path in tracked("*.py") if path.split("/")[0] in PRODUCT)


def sql_files(name: str = "") -> tuple[str, ...]:
    """List the product's `.sql` files, or those whose name ends so, without the generated history."""
    return tuple(path for path in tracked("*.sql") if path.startswith("marketplace/") and path.endswith(name))


def package_of(path: str) -> str:
    """Return the package of a path with its district, `money/ledger`, or the single file of a district, `core/clock`.

    Beside the marketplace it is the top-level name.
    """
    parts = path.split("/")
    return "/".join(parts[1:3]).partition(".")[0] if parts[0] == "marketplace" and len(parts) > 1 else parts[0]


def area_of(path: str) -> str:
    """Return what a person works on at a time: a package, a package's tests, a top-level package or file."""
    parts = path.split("/")
    depth = 3 if parts[0] in {"marketplace", "tests"} else 1
    return "/".join(parts[:depth])


def strings_in(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Yield every string of a module with the line it begins on; an f-string is one text with `{}` in it."""
    parts: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            parts |= {id(part) for part in node.values if isinstance(part, ast.Constant)}
            yield (
                "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values),
                node.lineno,
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value, node.lineno


def docstrings_in(nodes: Iterable[ast.AST]) -> set[int]:
    """Return the lines on which docstrings begin: strings that are a statement of their own."""
    return {
        node.lineno
        for node in nodes
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
