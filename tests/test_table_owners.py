"""Every table has one owner: only its slice writes it, and SQL reads it only from above, as imports do."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.support.floors import FLOOR_OF, is_below
from tests.support.ratchet import check, rule
from tests.support.source import Finding, nodes_of, product_files, slice_of, sql_files, text_of
from tests.support.sql import UNKNOWN, Reference, Text, common_table_expressions, references, resolve, texts_of

OTHER_DATABASES = ("marketplace/builds/", "marketplace/embedded/stripe_counterpart/")
"""DuckDB's and SQLite's: their tables are no tables of ours."""
PICCOLO_WRITES = {"insert", "update", "delete", "get_or_create", "save", "remove"}
COPY_VERBS = {"copy_in", "copy_columns", "copy_pieces"}


@cache
def owner_of() -> dict[str, str]:
    """Return each table's slice, by the table's name in the database."""
    from migrations.piccolo_app import tables  # noqa: PLC0415 (the sentences of the reader's tests need no tables)

    return {table._meta.tablename: table.__module__.split(".")[1] for table in tables()}


def files_with_sql() -> list[str]:
    """Return the files whose SQL runs in our database: Python, `queries.sql` and `functions.sql` of the slices."""
    paths = (*product_files(), *sql_files())
    return [path for path in paths if path.startswith("marketplace/") and not path.startswith(OTHER_DATABASES)]


def findings_in(text: Text, owners: dict[str, str]) -> list[Finding]:
    """Return a finding for every table of another slice that a text writes, or reads though it is not below."""
    here = slice_of(text.path)
    found = [
        Finding(text.path, text.line, f"calls a query {name}, which hides the table of that name")
        for name in sorted(common_table_expressions(text.sql) & owners.keys())
    ]
    for reference in references(text.sql):
        line = text.line + text.sql.count("\n", 0, reference.offset)
        owner = owners.get(reference.table)
        if reference.table == UNKNOWN and not text.sql[: reference.offset].endswith("("):
            found.append(Finding(text.path, line, "names a table that only runs know; write the name, or a constant"))
        elif owner and owner != here and reference.writes:
            found.append(Finding(text.path, line, f"writes {reference.table}, which only {owner} writes"))
        elif owner and not is_below(owner, here):
            found.append(Finding(text.path, line, f"reads {reference.table} of {owner}, which is not below {here}"))
    return found


@rule
def foreign_sql() -> list[Finding]:
    """Return the SQL that writes another slice's table, or reads one of a slice that is not below."""
    return [
        finding
        for path in files_with_sql()
        if slice_of(path) in FLOOR_OF
        for text in texts_of(path)
        for finding in findings_in(text, owner_of())
    ]


def foreign_tables(path: str) -> dict[str, str]:
    """Return the Table classes that a file imports from other slices, with their slice."""
    return {
        alias.asname or alias.name: node.module.split(".")[1]
        for node in nodes_of(path)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.endswith(".tables")
        for alias in node.names
        if node.module.split(".")[1] != slice_of(path)
    }


def foreign_calls_in(
    path: str, nodes: tuple[ast.AST, ...], foreign: dict[str, str], owners: dict[str, str]
) -> list[Finding]:
    """Return a finding for each call that writes another slice's table through Piccolo or a COPY verb."""
    found = []
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr=verb, value=value), lineno=line) if verb in PICCOLO_WRITES:
                root = _root_of(value)
                if root in foreign:
                    found.append(Finding(path, line, f"writes {root}, a table that only {foreign[root]} writes"))
            case ast.Call(func=ast.Name(id=verb), args=[table, *_], lineno=line) if verb in COPY_VERBS:
                name = resolve(table, path)
                owner = owners.get(name, slice_of(path))
                if owner != slice_of(path):
                    found.append(Finding(path, line, f"copies into {name}, which only {owner} writes"))
                if name == UNKNOWN:
                    found.append(Finding(path, line, "copies into a table that only runs know; write its name"))
    return found


def _root_of(node: ast.expr) -> str:
    """Return the name that a chain of attributes and calls begins with: `Order` of `Order.objects().first()`."""
    while not isinstance(node, ast.Name):
        match node:
            case ast.Attribute(value=inner) | ast.Call(func=inner):
                node = inner
            case _:
                return ""
    return node.id


@rule
def foreign_writes() -> list[Finding]:
    """Return the calls that write another slice's table through Piccolo or a COPY verb."""
    return [
        finding
        for path in product_files()
        if path.startswith("marketplace/") and path != "marketplace/database.py"
        for finding in foreign_calls_in(path, nodes_of(path), foreign_tables(path), owner_of())
    ]


@rule
def function_owners() -> list[Finding]:
    """Return the database functions defined twice, or called from a slice that is not above their own."""
    owners: dict[str, str] = {}
    found = []
    for path in sql_files("functions.sql"):
        for match in re.finditer(r"\bCREATE (?:OR REPLACE )?FUNCTION (\w+)", text_of(path)):
            line = text_of(path).count("\n", 0, match.start()) + 1
            if match[1] in owners:
                found.append(Finding(path, line, f"defines {match[1]}, which {owners[match[1]]} defines"))
            owners.setdefault(match[1], slice_of(path))
    call = re.compile(rf"\b({'|'.join(owners)})\(")
    for path in files_with_sql():
        for text in texts_of(path) if slice_of(path) in FLOOR_OF else []:
            for match in call.finditer(text.sql):
                if not is_below(owners[match[1]], slice_of(path)):
                    line = text.line + text.sql.count("\n", 0, match.start())
                    found.append(Finding(path, line, f"calls {match[1]} of {owners[match[1]]}, which is not below it"))
    return found


def test_database_functions_have_one_address_below_their_callers() -> None:
    check(function_owners)


def test_sql_writes_own_tables_and_reads_downward() -> None:
    check(foreign_sql)


def test_only_a_tables_owner_writes_it_through_piccolo_or_copy() -> None:
    check(foreign_writes)


@pytest.mark.parametrize(
    ("sql", "reads", "writes"),
    [
        ("SELECT id FROM payment", "payment", ""),
        ("SELECT 1 FROM ONLY public.payment AS p JOIN dispute d ON d.payment = p.id", "payment dispute", ""),
        ("SELECT 1 FROM payment p, dispute, LATERAL unnest(p.ids) AS id WHERE a = b, c", "payment dispute", ""),
        (
            "SELECT 1 FROM (payment JOIN payer USING (id)) JOIN (SELECT 1 FROM dispute) AS d ON true",
            "payment payer dispute",
            "",
        ),
        ("SELECT (SELECT max(at) FROM payment), EXISTS (SELECT FROM dispute WHERE true)", "payment dispute", ""),
        (
            "WITH paid AS (SELECT 1 FROM payment), late (a, b) AS NOT MATERIALIZED (SELECT 1 FROM paid) SELECT 1 FROM late",
            "payment",
            "",
        ),
        (
            "WITH gone AS (DELETE FROM payment USING payer WHERE true RETURNING id) SELECT 1 FROM gone",
            "payer",
            "payment",
        ),
        ("UPDATE payment SET state = 'paid' FROM payer, dispute WHERE true", "payer dispute", "payment"),
        (
            "INSERT INTO payment AS p (id) SELECT id FROM payer ON CONFLICT (id) DO UPDATE SET id = 1",
            "payer",
            "payment",
        ),
        ("MERGE INTO payment USING payer ON true WHEN MATCHED THEN UPDATE SET id = 1", "payer", "payment"),
        ("SELECT 1 FROM payment FOR NO KEY UPDATE OF payment", "payment", ""),
        (
            "SELECT extract(epoch FROM at), a IS DISTINCT FROM b, SUBSTRING(c FROM 1), EXTRACT(year FROM d) FROM payment",
            "payment",
            "",
        ),
        ("COPY payment (id, at) FROM STDIN", "", "payment"),
        ("TRUNCATE TABLE payment, payer", "", "payment payer"),
        ("CREATE TRIGGER a AFTER INSERT OR UPDATE OF b ON payment FOR EACH ROW EXECUTE FUNCTION f()", "payment", ""),
        ("CREATE TRIGGER a BEFORE INSERT OR UPDATE OF b ON payment FOR EACH ROW EXECUTE FUNCTION f()", "", "payment"),
        ("-- FROM dispute\nSELECT 'FROM payer' /* JOIN payer */ FROM payment", "payer payment", ""),
        (
            "CREATE FUNCTION f() AS $$ BEGIN SELECT * INTO row FROM payment; UPDATE payer SET a = 1; END $$",
            "payment",
            "payer",
        ),
        ('SELECT "from" FROM "order"', "order", ""),
        ("SELECT 1 FROM generate_series(1, 2) AS payment(n)", "", ""),
        ("A payment is from the payer; update it.", "", ""),
    ],
)
def test_the_reader_finds_every_table(sql: str, reads: str, writes: str) -> None:
    found = references(sql)
    assert {one.table for one in found if not one.writes} == set(reads.split())
    assert {one.table for one in found if one.writes} == set(writes.split())


def test_a_reference_knows_where_it_is() -> None:
    assert references("SELECT 1\nFROM payment") == [Reference("payment", writes=False, offset=14)]


PYTHON = '''\
TABLE = "payment"
LEFT: str = f"SELECT 1 FROM {TABLE}"
def f(name):
    """Docstring: SELECT 1 FROM payer."""
    fetch(f"""SELECT 1 FROM ({LEFT}) AS l
              JOIN {name} ON true {'' if name else 'JOIN dispute'} """ + "JOIN payer")
    copy_in("payment", [])
    copy_in(name, [])
    Payment.update({1: 2}).where(Payment.select())
    Payment.objects().get_or_create()
'''


def test_strings_of_python_are_read_with_their_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = ast.parse(PYTHON)
    monkeypatch.setattr("tests.support.sql.tree_of", lambda _: tree)
    monkeypatch.setattr("tests.support.sql.nodes_of", lambda _: tuple(ast.walk(tree)))
    texts = texts_of("marketplace/consent/a.py")
    (statement,) = (text for text in texts if text.sql.startswith("SELECT 1 FROM ("))
    assert [one.table for one in references(statement.sql)] == ["payment", UNKNOWN, "dispute", "payer"]
    owners = dict.fromkeys(("payment", "payer", "dispute"), "payments")
    found = [str(finding) for text in texts for finding in findings_in(text, owners)]
    assert "marketplace/consent/a.py:6 names a table that only runs know; write the name, or a constant" in found
    assert "marketplace/consent/a.py:6 reads payer of payments, which is not below consent" in found
    assert not [finding for finding in found if ":4 " in finding]


def test_calls_that_write_a_foreign_table_are_found() -> None:
    nodes = tuple(ast.walk(ast.parse(PYTHON)))
    found = foreign_calls_in("marketplace/consent/a.py", nodes, {"Payment": "payments"}, {"payment": "payments"})
    assert sorted(map(str, found)) == [
        "marketplace/consent/a.py:10 writes Payment, a table that only payments writes",
        "marketplace/consent/a.py:7 copies into payment, which only payments writes",
        "marketplace/consent/a.py:8 copies into a table that only runs know; write its name",
        "marketplace/consent/a.py:9 writes Payment, a table that only payments writes",
    ]
