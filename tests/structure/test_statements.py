"""SQL reads well and is true: long statements lie in `queries.sql`, are described, and the database accepts each."""

import ast
import asyncio
import re
from collections.abc import Iterator

import asyncpg
import pytest
import sqlglot
from sqlglot import exp

from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.statements import StatementError, read_blocks, read_statements
from tests.support.ratchet import check, rule
from tests.support.server import as_serving
from tests.support.source import Finding, docstrings_in, nodes_of, product_files, sql_files, strings_in, text_of
from tests.support.sql import references, resolve

LONGEST_STATEMENT, LONGEST_LINE = 12, 120
OTHER_DATABASES = ("marketplace/datasets/builds/", "marketplace/demo/stripe_counterpart/")
"""DuckDB's and SQLite's."""
GENERATED = "migrations/history/"
VERBS = {
    "fetch",
    "fetch_one",
    "fetch_value",
    "fetch_rows",
    "fetch_row",
    "fetch_column",
    "fetch_scalar",
    "fetch_columns",
    "execute",
    "copy_out",
}
STATEMENT = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|UNION|FROM|JOIN)\b")
LOWER_CASE = re.compile(
    r"\b(select|from|where|insert into|values|returning|inner join|left join|join|union all|group by|order by|having|limit|"
    r"on conflict|delete|update|as|and|or|not|is null|case|when|then|else|distinct|lateral|with)\b"
)


def query_files() -> tuple[str, ...]:
    """List the packages' `queries.sql`."""
    return sql_files("queries.sql")


def without_strings_and_comments(sql: str) -> str:
    """Return a text with its strings, quoted names and comments blanked out, line for line."""
    return re.sub(
        r"--[^\n]*|'(?:[^']|'')*'|\"[^\"]*\"|/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), sql, flags=re.DOTALL
    )


@rule
def long_sql_in_python() -> list[Finding]:
    """Return the statements of more than a dozen lines in Python strings."""
    found = []
    for path in product_files():
        if path.startswith((*OTHER_DATABASES, GENERATED)) or not path.startswith("marketplace/"):
            continue
        docstrings = docstrings_in(nodes_of(path))
        for text, line in strings_in(nodes_of(path)):
            lines = len(text.strip().splitlines())
            if lines > LONGEST_STATEMENT and line not in docstrings and STATEMENT.search(text):
                found.append(Finding(path, line, f"a statement of {lines} lines; move it to the package's queries.sql"))
    return found


@rule
def lower_case_sql() -> list[Finding]:
    """Return the statements with keywords in lower case, which the reader of tables does not see."""
    found = []
    for path in product_files():
        if path.startswith(OTHER_DATABASES):
            continue
        for node in nodes_of(path):
            match node:
                case ast.Call(
                    func=ast.Name(id=verb) | ast.Attribute(attr=verb), args=[*_, ast.Constant() | ast.JoinedStr()]
                ) if verb in VERBS:
                    statement = next(one for one in node.args if isinstance(one, ast.Constant | ast.JoinedStr))
                    keyword = LOWER_CASE.search(without_strings_and_comments(resolve(statement, path)))
                    if keyword:
                        found.append(Finding(path, node.lineno, f"writes the keyword {keyword[0]} in lower case"))
    return found


@rule
def untidy_statements() -> list[Finding]:
    """Return what is wrong in a `queries.sql`: no description, a line too long, a keyword in lower case, malformed."""
    return [finding for path in query_files() for finding in untidy_in(path, text_of(path))]


def untidy_in(path: str, text: str) -> Iterator[Finding]:
    """Yield what is wrong in the text of one `queries.sql`."""
    try:
        blocks = read_blocks(text, path)
        read_statements(text, path)
    except StatementError as error:
        place, _, sentence = str(error).partition(" ")
        yield Finding(path, int(place.rpartition(":")[2]), sentence)
        return
    for block in blocks:
        if not block.description:
            yield Finding(path, block.line, f"{block.name} has no description")
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LONGEST_LINE:
            yield Finding(path, number, f"is {len(line)} characters long, and {LONGEST_LINE} are a line")
    for number, line in enumerate(without_strings_and_comments(text).splitlines(), 1):
        if keyword := LOWER_CASE.search(line):
            yield Finding(path, number, f"writes the keyword {keyword[0]} in lower case")


@rule
def unused_statements() -> list[Finding]:
    """Return the statements of a `queries.sql` that no file of the package asks for, and fragments that none inserts."""
    found = []
    for path in query_files():
        folder = path.rpartition("/")[0]
        asked = {
            node.slice.value
            for other in product_files()
            if other.startswith(f"{folder}/")
            for node in nodes_of(other)
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
        }
        text = text_of(path)
        for block in read_blocks(text, path):
            if block.is_fragment and f"{{{block.name}}}" not in text:
                found.append(Finding(path, block.line, f"no statement inserts {{{block.name}}}"))
            elif not block.is_fragment and block.name not in asked:
                found.append(Finding(path, block.line, f"nothing in {folder} asks for {block.name}"))
    return found


def test_long_statements_are_in_queries_sql() -> None:
    check(long_sql_in_python)


def test_keywords_are_upper_case() -> None:
    check(lower_case_sql)


def test_every_statement_is_described_and_tidy() -> None:
    check(untidy_statements)


def test_every_statement_is_used() -> None:
    check(unused_statements)


def test_the_database_accepts_every_statement(postgres: EmbeddedPostgres) -> None:
    """EXPLAIN with generic parameters, in the migrated schema; what makes a temporary table is run first.

    The role that serves may do them all: PostgreSQL checks its rights when a statement is explained.
    """
    assert not asyncio.run(refusals(as_serving(postgres.url("template"))))


async def refusals(url: str) -> list[str]:
    """Return a sentence for every statement that the database at `url` refuses."""
    connection = await asyncpg.connect(url)
    found = []
    try:
        for path in query_files():
            text = text_of(path)
            lines = {block.name: block.line for block in read_blocks(text, path)}
            for name, sql in read_statements(text, path).items():
                try:
                    await connection.execute(sql if sql.startswith("CREATE TEMP") else f"EXPLAIN (GENERIC_PLAN) {sql}")
                except asyncpg.PostgresError as error:
                    found.append(f"{path}:{lines[name]} {name}: {error}")
    finally:
        await connection.close()
    return found


def test_the_reader_of_tables_agrees_with_sqlglot() -> None:
    differences = []
    for path in query_files():
        for name, sql in read_statements(text_of(path), path).items():
            try:
                tree = sqlglot.parse_one(sql, dialect="postgres")
            except sqlglot.ParseError:
                continue
            common = {one.alias for one in tree.find_all(exp.CTE)}
            locked = {one.name for lock in tree.find_all(exp.Lock) for one in lock.expressions}
            made = {made.name for one in tree.find_all(exp.Create) if (made := one.find(exp.Table))}
            theirs = (
                {one.name for one in tree.find_all(exp.Table) if isinstance(one.this, exp.Identifier)}
                - common
                - locked
                - made
            )
            ours = {reference.table for reference in references(sql)}
            if theirs != ours - locked:
                differences.append(f"{path} {name}: sqlglot finds {theirs}, the reader {ours}")
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("-- name: a\nSELECT 1;\n", "q.sql:1 a has no description"),
        ("-- name: a\n-- One.\nselect 1;\n", "q.sql:3 writes the keyword select in lower case"),
        ("-- name: a\n-- One.\nSELECT 1, " + "1" * 120 + ";\n", "q.sql:3 is 131 characters long, and 120 are a line"),
        ("-- name: a\n-- One.\nSELECT 1\n", "q.sql:1 a has no `;` at the end of a line."),
    ],
)
def test_untidy_statements_are_found(text: str, sentence: str) -> None:
    assert [str(finding) for finding in untidy_in("q.sql", text)] == [sentence]


def test_keywords_in_strings_names_and_comments_are_not_found() -> None:
    text = """-- name: a\n-- Read it from there and select one.\nSELECT 'from where', "order by" -- and not\nFROM a_from;\n"""
    assert not list(untidy_in("q.sql", text))
