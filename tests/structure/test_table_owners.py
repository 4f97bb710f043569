"""Every table has one owner: only its package writes it, and SQL reads it only from above, as imports do."""

import ast
import re
from functools import cache

import pytest
from msgspec import Struct

from tests.support.districts import floor_of, is_below
from tests.support.ratchet import check, rule
from tests.support.source import Finding, nodes_of, package_of, product_files, sql_files, text_of
from tests.support.sql import UNKNOWN, Reference, Text, common_table_expressions, references, resolve, texts_of
from tests.support.table_owners import files_with_sql, owner_of

PICCOLO_WRITES = {"insert", "update", "delete", "get_or_create", "save", "remove"}
COPY_VERBS = {"copy_in", "copy_columns", "copy_pieces"}


def findings_in(text: Text, owners: dict[str, str]) -> list[Finding]:
    """Return a finding for every table of another package that a text writes, or reads though it is not below."""
    here = package_of(text.path)
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
    """Return the SQL that writes another package's table, or reads one of a package that is not below."""
    return [
        finding
        for path in files_with_sql()
        if floor_of(package_of(path)) is not None
        for text in texts_of(path)
        for finding in findings_in(text, owner_of())
    ]


@cache
def owner_of_class() -> dict[str, str]:
    """Return each table's package, by the name of its class."""
    from migrations.schema import tables  # noqa: PLC0415 (as above)

    return {table.__name__: package_of(table.__module__.replace(".", "/")) for table in tables()}


def foreign_tables(path: str, nodes: tuple[ast.AST, ...], classes: dict[str, str]) -> dict[str, str]:
    """Return the names by which a file reaches other packages' Table classes, with their package.

    `Order` is imported, `Bought` another name of it (`import Order as Bought`, `Bought = t.Order`). A class reached through its
    module (`t.Order`) goes by its own name.
    """
    found = {name: owner for name, owner in classes.items() if owner != package_of(path)}
    for node in nodes:
        match node:
            case ast.ImportFrom(names=names):
                found |= {one.asname: found[one.name] for one in names if one.asname and one.name in found}
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=it) | ast.Attribute(attr=it)) if it in found:
                found[name] = found[it]
            case ast.ClassDef(name=name):
                found.pop(name, None)
    return found


def foreign_calls_in(
    path: str, nodes: tuple[ast.AST, ...], foreign: dict[str, str], owners: dict[str, str]
) -> list[Finding]:
    """Return a finding for each call that writes another package's table through Piccolo or a COPY verb."""
    found = []
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr=verb, value=value), lineno=line) if verb in PICCOLO_WRITES:
                found += [
                    Finding(path, line, f"writes {name}, a table that only {foreign[name]} writes")
                    for name in _names_in(value)
                    if name in foreign
                ]
            case ast.Call(func=ast.Name(id=verb), args=[table, *_], lineno=line) if verb in COPY_VERBS:
                name = resolve(table, path)
                owner = owners.get(name, package_of(path))
                if owner != package_of(path):
                    found.append(Finding(path, line, f"copies into {name}, which only {owner} writes"))
                if name == UNKNOWN:
                    found.append(Finding(path, line, "copies into a table that only runs know; write its name"))
    return found


def _names_in(node: ast.expr) -> list[str]:
    """Return the names of a chain of attributes and calls: `t` and `Order` of `t.Order.objects().first()` among them."""
    names = []
    while True:
        match node:
            case ast.Attribute(value=inner, attr=name):
                names.append(name)
                node = inner
            case ast.Call(func=inner):
                node = inner
            case ast.Name(id=name):
                return [*names, name]
            case _:
                return names


@rule
def foreign_writes() -> list[Finding]:
    """Return the calls that write another package's table through Piccolo or a COPY verb."""
    return [
        finding
        for path in product_files()
        if path.startswith("marketplace/") and path != "marketplace/core/database.py"
        for finding in foreign_calls_in(
            path, nodes_of(path), foreign_tables(path, nodes_of(path), owner_of_class()), owner_of()
        )
    ]


WRITE_VERB = (
    r"(?:(?<!FOR )(?<!KEY )(?<!DO )(?<!OR )(?<!BEFORE )(?<!AFTER )UPDATE|INSERT INTO|DELETE FROM|MERGE INTO|TRUNCATE)"
)
NO_NAME_FOLLOWS = re.compile(rf"\b{WRITE_VERB}(?:\s+ONLY)?\s*(?:$|[%{{'|]|{UNKNOWN})")
"""A verb whose table comes from elsewhere: the text ends after it, or a placeholder follows."""
NO_VERB_BEFORE = re.compile(rf"(?:^|{UNKNOWN})\s*\"?(?P<table>[a-z_]+)\"?(?:\s+(?:AS\s+)?[a-z_]+)?\s+SET\s")
"""A table whose verb comes from elsewhere."""


def pieces_in(text: Text) -> list[Finding]:
    """Return a finding for each piece of a statement that writes, where the verb and its table are not in one text."""
    sql = re.sub(r"--[^\n]*", "", text.sql)
    if sql == "UPDATE":  # how strongly `lock_rows` locks
        return []
    return [
        Finding(
            text.path, text.line, f"puts a statement that writes together from pieces: {' '.join(found[0].split())}"
        )
        for pattern in (NO_NAME_FOLLOWS, NO_VERB_BEFORE)
        for found in pattern.finditer(sql)
    ]


@rule
def sql_in_pieces() -> list[Finding]:
    """Return the statements that write and are put together from pieces, so that no reader sees which table they write."""
    return [finding for path in files_with_sql() for text in texts_of(path) for finding in pieces_in(text)]


class DatabaseFunction(Struct, frozen=True):
    """A function of a package's `functions.sql`. above: the package lets those above it call it, though it writes."""

    name: str
    path: str
    line: int
    sql: str
    above: bool

    @property
    def package(self) -> str:
        return package_of(self.path)


FUNCTION = re.compile(
    r"(?P<comment>(?:^--[^\n]*\n)*)^CREATE (?:OR REPLACE )?FUNCTION (?P<name>\w+)\b(?P<sql>.*?)(?=^--|^(?:CREATE|ALTER|DO)\b|\Z)",
    re.MULTILINE | re.DOTALL,
)
FOR_PACKAGES_ABOVE = "-- Packages above may call it."
"""The line in the comment of a function that is its owner's action for SQL of others, as `actions.py` has them for Python."""


def functions_in(path: str, sql: str) -> list[DatabaseFunction]:
    """Return the functions that a `functions.sql` defines."""
    return [
        DatabaseFunction(
            found["name"],
            path,
            sql.count("\n", 0, found.start("name")) + 1,
            found["sql"],
            above=FOR_PACKAGES_ABOVE in found["comment"].splitlines(),
        )
        for found in FUNCTION.finditer(sql)
    ]


def that_write(functions: list[DatabaseFunction], owners: dict[str, str]) -> set[str]:
    """Return the names of the functions that write a table, themselves or through others."""
    writing = {
        one.name for one in functions if any(found.writes and found.table in owners for found in references(one.sql))
    }
    while more := {
        one.name for one in functions if one.name not in writing and re.search(rf"\b(?:{'|'.join(writing)})\(", one.sql)
    }:
        writing |= more
    return writing


def calls_in(text: Text, functions: list[DatabaseFunction], writing: set[str]) -> list[Finding]:
    """Return a finding for each function that is not below the package that calls it, or writes what another package owns."""
    here, found = package_of(text.path), []
    for one in functions:
        for match in re.finditer(rf"\b{one.name}\(", text.sql):
            line = text.line + text.sql.count("\n", 0, match.start())
            if not is_below(one.package, here):
                found.append(Finding(text.path, line, f"calls {one.name} of {one.package}, which is not below it"))
            elif one.package != here and one.name in writing and not one.above:
                found.append(Finding(text.path, line, f"calls {one.name}, which writes tables of {one.package}"))
    return found


@rule
def function_owners() -> list[Finding]:
    """Return the database functions defined twice, called from below, or called from above though they write."""
    functions = [one for path in sql_files("functions.sql") for one in functions_in(path, text_of(path))]
    first: dict[str, DatabaseFunction] = {}
    found = [
        Finding(one.path, one.line, f"defines {one.name}, which {first[one.name].package} defines")
        for one in functions
        if first.setdefault(one.name, one) is not one
    ]
    writing = that_write(functions, owner_of())
    return found + [
        finding
        for path in files_with_sql()
        if floor_of(package_of(path)) is not None
        for text in texts_of(path)
        for finding in calls_in(text, functions, writing)
    ]


TRIGGER = re.compile(r"\bTRIGGER\s+(?P<name>\w+)\s+(?:BEFORE|AFTER|INSTEAD OF)\s[^;]*?\bON\s+(?P<table>\w+)")


def triggers_in(text: Text, owners: dict[str, str]) -> list[Finding]:
    """Return a finding for each trigger that a text puts on another package's table."""
    return [
        Finding(
            text.path,
            text.line + text.sql.count("\n", 0, match.start()),
            f"puts the trigger {match['name']} on {match['table']}, a table of {owners[match['table']]}",
        )
        for match in TRIGGER.finditer(text.sql)
        if owners.get(match["table"], package_of(text.path)) != package_of(text.path)
    ]


IN_THE_SAME_TRANSACTION = {
    # What a person added for a company's programs ends when the person leaves, in the same transaction.
    "end_webhooks_of_leaver on person",
    "end_bucket_of_leaver on person",
    # What is to be said of a document or a payment is noted with it: ids are given before transactions commit, and a job that
    # asks for later ids would miss some.
    "note_issued on invoice",
    "note_payment on credit_movement",
    # Every licensee is notified exactly once, whichever of the recall or the sale commits first.
    "write_to_licensees on revocation",
    "write_to_licensees on release",
}
"""Triggers on tables of lower packages, each for what must commit or roll back with the fact (`decisions.md`): they fire after it
and write their own package's rows, which the other rules see to. A new one is refused; a job reads what it needs."""


def all_foreign_triggers() -> list[Finding]:
    """Return the triggers on tables of other packages, those of the list above among them."""
    return [
        finding for path in files_with_sql() for text in texts_of(path) for finding in triggers_in(text, owner_of())
    ]


def is_known(finding: Finding) -> bool:
    return any(f" {known}," in finding.sentence for known in IN_THE_SAME_TRANSACTION)


@rule
def foreign_triggers() -> list[Finding]:
    """Return the triggers on tables of other packages that the list above does not have."""
    return [finding for finding in all_foreign_triggers() if not is_known(finding)]


def test_database_functions_have_one_address_below_their_callers() -> None:
    check(function_owners)


def test_only_a_tables_owner_puts_triggers_on_it() -> None:
    check(foreign_triggers)


def test_the_list_of_triggers_names_only_what_there_is() -> None:
    assert sum(map(is_known, all_foreign_triggers())) == len(IN_THE_SAME_TRANSACTION)


def test_no_statement_that_writes_is_put_together_from_pieces() -> None:
    check(sql_in_pieces)


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
    texts = texts_of("marketplace/consent/purposes/a.py")
    (statement,) = (text for text in texts if text.sql.startswith("SELECT 1 FROM ("))
    assert [one.table for one in references(statement.sql)] == ["payment", UNKNOWN, "dispute", "payer"]
    owners = dict.fromkeys(("payment", "payer", "dispute"), "money/payments")
    found = [str(finding) for text in texts for finding in findings_in(text, owners)]
    assert (
        "marketplace/consent/purposes/a.py:6 names a table that only runs know; write the name, or a constant" in found
    )
    assert (
        "marketplace/consent/purposes/a.py:6 reads payer of money/payments, which is not below consent/purposes"
        in found
    )
    assert not [finding for finding in found if ":4 " in finding]


def test_calls_that_write_a_foreign_table_are_found() -> None:
    nodes = tuple(ast.walk(ast.parse(PYTHON)))
    found = foreign_calls_in(
        "marketplace/consent/purposes/a.py", nodes, {"Payment": "money/payments"}, {"payment": "money/payments"}
    )
    assert sorted(map(str, found)) == [
        "marketplace/consent/purposes/a.py:10 writes Payment, a table that only money/payments writes",
        "marketplace/consent/purposes/a.py:7 copies into payment, which only money/payments writes",
        "marketplace/consent/purposes/a.py:8 copies into a table that only runs know; write its name",
        "marketplace/consent/purposes/a.py:9 writes Payment, a table that only money/payments writes",
    ]
