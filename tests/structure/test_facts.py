"""A fact is written once: a column in `tables.py`, an account number in the chart, the currency in `pricing.money`.

And what `pricing` defines is used by the product, or declared as public API.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import TypeAlias

from msgspec import Struct

from marketplace.money.ledger import chart
from tests.support.ratchet import check, rule
from tests.support.source import (
    Finding,
    docstrings_in,
    file_of_module,
    nodes_of,
    product_files,
    sql_files,
    strings_in,
    text_of,
    tracked,
    tree_of,
)

OTHER_DATABASES = ("marketplace/datasets/builds/", "marketplace/demo/stripe_counterpart/")
"""DuckDB's and SQLite's: their tables are no tables of ours."""
ACCOUNTS = re.compile(rf"(?<![\w.])(?:{'|'.join(chart.TITLES)})(?![\w.])")
COLUMN = re.compile(r"\bCREATE (?:UNLOGGED )?TABLE\b(?! [\w%]+ \(LIKE )|\bADD COLUMN\b")
CURRENCY = re.compile(r"""^EUR$|['"]EUR['"]""")
PUBLIC_API = re.compile(r"^Public API[^:]*:(.*?)(?:\n\n|\Z)", re.DOTALL | re.MULTILINE)


class PlainText(Struct, frozen=True):
    """A string of a Python file as it is written, or a `.sql` file without comments; `line` is where it begins."""

    path: str
    line: int
    text: str


def texts_of_product() -> Iterator[PlainText]:
    """Yield the strings of the product but docstrings, and its `.sql` files."""
    for path in product_files():
        docstrings = docstrings_in(nodes_of(path))
        for text, line in strings_in(nodes_of(path)):
            if line not in docstrings:
                yield PlainText(path, line, text)
    for path in sql_files():
        yield PlainText(path, 1, re.sub(r"--.*", "", text_of(path)))


def templates() -> Iterator[PlainText]:
    """Yield the product's templates."""
    for path in tracked("marketplace/*.html"):
        yield PlainText(path, 1, text_of(path))


def matches(pattern: re.Pattern[str], text: PlainText) -> Iterator[tuple[str, int]]:
    """Yield what a pattern finds in a text, with the line."""
    for match in pattern.finditer(text.text):
        yield match[0], text.line + text.text.count("\n", 0, match.start())


@rule
def hand_made_columns() -> list[Finding]:
    """Return the SQL that makes a table or a column by hand; the generated schema and temporary tables are none."""
    return [
        Finding(text.path, line, f"{found} by hand; a column is written in tables.py alone")
        for text in texts_of_product()
        if not text.path.startswith(("migrations/history/", "migrations/generate.py", *OTHER_DATABASES))
        for found, line in matches(COLUMN, text)
    ]


@rule
def account_numbers() -> list[Finding]:
    """Return the literal account numbers outside the chart."""
    return [
        Finding(text.path, line, f"names the account {found}; use marketplace.money.ledger.chart")
        for text in texts_of_product()
        if text.path != "marketplace/money/ledger/chart.py"
        for found, line in matches(ACCOUNTS, text)
    ]


@rule
def currency_literals() -> list[Finding]:
    """Return the literals of the currency outside `pricing/money.py` and the generated schema, templates' too."""
    return [
        Finding(text.path, line, "names the currency EUR; use pricing.money.EUR")
        for text in (*texts_of_product(), *templates())
        if text.path != "pricing/money.py" and not text.path.startswith("migrations/history/")
        for _, line in matches(CURRENCY, text)
    ]


def test_columns_are_written_in_tables_alone() -> None:
    check(hand_made_columns)


def test_account_numbers_are_written_in_the_chart_alone() -> None:
    check(account_numbers)


def test_the_currency_is_written_in_money_alone() -> None:
    check(currency_literals)


Definition: TypeAlias = tuple[str, str]
"""A file and a name that it defines."""


@cache
def definitions_of(path: str) -> dict[str, ast.stmt]:
    """Return the functions, classes and constants of a module's top level, by name."""
    found: dict[str, ast.stmt] = {}
    for node in tree_of(path).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found[name] = node
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = node
    return found


@cache
def pricing_imports(path: str) -> dict[str, tuple[str, str]]:
    """Return what a file imports of `pricing`: the name here → the file and the name there, "" for a whole module."""
    found = {}
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pricing":
            for alias in node.names:
                module, owner = file_of_module(f"{node.module}.{alias.name}"), file_of_module(node.module)
                if module and module != owner:
                    found[alias.asname or alias.name] = (module, "")
                elif owner:
                    found[alias.asname or alias.name] = (owner, alias.name)
    return found


def used_in(path: str, node: ast.AST) -> Iterator[Definition]:
    """Yield the definitions of `pricing` that a part of a file names, its own included."""
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name) if pricing_imports(path).get(name, ("", ""))[1]:
                yield pricing_imports(path)[name]
            case ast.Name(id=name) if path.startswith("pricing/"):
                yield path, name
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in pricing_imports(path):
                yield pricing_imports(path)[module][0], name


@rule
def unreached_pricing() -> list[Finding]:
    """Return what `pricing` defines without an underscore and neither the product uses nor a docstring declares."""
    modules = [path for path in product_files() if path.startswith("pricing/")]
    outside = [path for path in product_files() if path not in modules]
    reached: set[Definition] = set()
    waiting = [use for path in [*outside, "pricing/__main__.py"] for use in used_in(path, tree_of(path))]
    while waiting:
        path, name = waiting.pop()
        if (path, name) not in reached and name in definitions_of(path):
            reached.add((path, name))
            waiting += used_in(path, definitions_of(path)[name])
    found = []
    for path in modules:
        declared = declared_in(ast.get_docstring(tree_of(path)) or "")
        for name, node in definitions_of(path).items():
            if not name.startswith("_") and (path, name) not in reached and name not in declared:
                found.append(Finding(path, node.lineno, f"{name} is used by no product path, nor declared public API"))
        found += [
            Finding(path, 1, f"{name} is declared public API, but is gone or used by the product")
            for name in sorted(declared)
            if name not in definitions_of(path) or (path, name) in reached
        ]
    return found


def declared_in(docstring: str) -> set[str]:
    """Return the names that a module's docstring declares as public API."""
    listed = PUBLIC_API.search(docstring)
    return set(re.findall(r"`(\w+)`", listed[1])) if listed else set()


def test_what_pricing_defines_is_used_or_public_api() -> None:
    check(unreached_pricing)


def test_public_api_is_read_from_a_docstring() -> None:
    assert declared_in("What.\n\nPublic API for others: `one`, `two`.\n\nSource: `three`.") == {"one", "two"}
    assert declared_in("What it is.") == set()
