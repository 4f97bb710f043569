"""Every read returns typed rows: no untyped verb, no record, no dict of a row, and every Row is a frozen Struct."""

import ast

import pytest

from tests.support.ratchet import check, rule
from tests.support.source import Finding, file_of_module, imports_of, nodes_of, product_files, tree_of

UNTYPED = {"fetch", "fetch_one", "fetch_value"}
TYPED = {"fetch_rows", "fetch_row"}
DATABASE = "marketplace/core/database.py"


def reads_the_database(path: str) -> bool:
    return path != DATABASE and any(module == "marketplace.core.database" for module, _ in imports_of(path))


@rule
def untyped_reads() -> list[Finding]:
    """Return the calls of the verbs that return records, and every mention of a record's type."""
    return [finding for path in product_files() if path != DATABASE for finding in untyped_in(path, nodes_of(path))]


def untyped_in(path: str, nodes: tuple[ast.AST, ...]) -> list[Finding]:
    found = []
    imported = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "marketplace.core.database"
        for alias in node.names
        if alias.name in UNTYPED
    }
    for node in nodes:
        match node:
            case ast.Call(func=ast.Name(id=verb)) if verb in imported:
                found.append(
                    Finding(
                        path,
                        node.lineno,
                        f"{verb} returns untyped rows; use fetch_rows, fetch_row, fetch_column or fetch_scalar",
                    )
                )
            case ast.Call(func=ast.Attribute(value=ast.Name(id="database"), attr=verb)) if verb in UNTYPED:
                found.append(
                    Finding(
                        path,
                        node.lineno,
                        f"{verb} returns untyped rows; use fetch_rows, fetch_row, fetch_column or fetch_scalar",
                    )
                )
            case ast.Attribute(value=ast.Name(id="asyncpg"), attr="Record"):
                found.append(Finding(path, node.lineno, "asyncpg.Record has no typed columns; use a frozen Struct"))
            case ast.AnnAssign(target=ast.Name(id="Row"), value=ast.Name(id="Any")):
                found.append(Finding(path, node.lineno, "Row is Any; use a frozen Struct"))
    return found


@rule
def rows_as_dicts() -> list[Finding]:
    """Return the functions of a package's `queries` that return rows as `dict[str, Any]`."""
    return [
        Finding(path, node.lineno, f"{node.name} returns dict[str, Any]; return a frozen Struct")
        for path in product_files()
        if path.endswith("queries.py")
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.returns is not None
        and "dict[str, Any]" in ast.unparse(node.returns)
    ]


@rule
def loose_row_types() -> list[Finding]:
    """Return the typed reads whose first argument is not a frozen Struct of ours."""
    return [
        finding for path in product_files() if reads_the_database(path) for finding in loose_in(path, nodes_of(path))
    ]


def loose_in(path: str, nodes: tuple[ast.AST, ...]) -> list[Finding]:
    found = []
    generic = {parameter for node in nodes for parameter in _type_parameters(node)}
    for node in nodes:
        match node:
            case ast.Call(func=ast.Name(id=verb) | ast.Attribute(attr=verb), args=[row, *_]) if verb in TYPED:
                name = ast.unparse(row)
                if name not in generic and not is_frozen_struct(path, name):
                    found.append(Finding(path, node.lineno, f"{verb} returns {name}, which is no frozen Struct"))
            case ast.Subscript(value=ast.Await(value=ast.Call(func=ast.Name(id=verb)))) if verb in TYPED:
                found.append(Finding(path, node.lineno, f"the result of {verb} is subscripted; use a field's name"))
    return found


def _type_parameters(node: ast.AST) -> set[str]:
    """Return the parameters annotated `type[…]` of a function: the caller says which row."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return set()
    arguments = (*node.args.args, *node.args.kwonlyargs)
    return {one.arg for one in arguments if one.annotation and ast.unparse(one.annotation).startswith("type[")}


def is_frozen_struct(path: str, name: str) -> bool:
    """Return whether a name is a frozen Struct, of this file or imported into it, by inheritance too."""
    for node in tree_of(path).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            frozen = any(word.arg == "frozen" and ast.unparse(word.value) == "True" for word in node.keywords)
            bases = [ast.unparse(base) for base in node.bases]
            return any((base.endswith("Struct") and frozen) or is_frozen_struct(path, base) for base in bases)
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                origin = file_of_module(node.module)
                if (alias.asname or alias.name) == name and origin:
                    return is_frozen_struct(origin, alias.name)
    return False


def test_no_read_is_untyped() -> None:
    check(untyped_reads)


def test_no_query_returns_rows_as_dicts() -> None:
    check(rows_as_dicts)


def test_every_row_is_a_frozen_struct() -> None:
    check(loose_row_types)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("from marketplace.core.database import fetch as read\nread('SELECT 1')", "a.py:2 read returns untyped rows"),
        (
            "from marketplace.core import database\ndatabase.fetch_one('SELECT 1')",
            "a.py:2 fetch_one returns untyped rows",
        ),
        ("def f(row: asyncpg.Record) -> None: ...", "a.py:1 asyncpg.Record has no typed columns"),
        ("Row: TypeAlias = Any", "a.py:1 Row is Any"),
    ],
)
def test_untyped_reads_are_found(source: str, sentence: str) -> None:
    (found,) = untyped_in("a.py", tuple(ast.walk(ast.parse(source))))
    assert str(found).startswith(sentence)


def test_a_plain_class_a_loose_struct_and_a_subscript_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = ast.parse("""
class Loose(Struct): ...
class Frozen(Struct, frozen=True): ...
class Wider(Frozen, frozen=True): ...
async def f(row: type[T]):
    await fetch_rows(dict, "")
    await fetch_rows(Loose, "")
    (await fetch_row(Frozen, ""))["id"]
    await fetch_rows(Wider, "")
    await fetch_rows(row, "")
""")
    nodes = tuple(ast.walk(tree))
    monkeypatch.setattr("tests.structure.test_typed_rows.tree_of", lambda _: tree)
    monkeypatch.setattr("tests.structure.test_typed_rows.nodes_of", lambda _: nodes)
    assert [str(found).split(",")[0] for found in sorted(loose_in("a.py", nodes))] == [
        "a.py:6 fetch_rows returns dict",
        "a.py:7 fetch_rows returns Loose",
        "a.py:8 the result of fetch_row is subscripted; use a field's name",
    ]
