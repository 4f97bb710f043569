"""A package's `queries.sql`: names, descriptions, fragments, and a sentence with file and line for what is wrong."""

import importlib
import sys
import zipfile
from pathlib import Path

import pytest

from marketplace.core.statements import StatementError, load_statements, read_blocks, read_statements

ORDERS = """\
-- What purchases reads.

-- fragment: order_columns
id, state, {money}

-- fragment: money
amount_minor, currency

-- name: list_orders
-- A partner's orders, newest first.
-- $1: the partner
SELECT {order_columns} -- a comment; it stays
FROM "order"
WHERE partner = $1 AND tags <> '{}'
ORDER BY id DESC;

-- Section of single orders.

-- name: get_order
-- One order; $1: its id.
SELECT {order_columns} FROM "order" WHERE id = $1;
"""


def test_a_statement_is_found_by_name_without_its_semicolon() -> None:
    statements = read_statements(ORDERS, "queries.sql")
    assert list(statements) == ["list_orders", "get_order"]
    assert len(statements) == 2
    assert statements["get_order"] == 'SELECT id, state, amount_minor, currency FROM "order" WHERE id = $1'
    assert "order_columns" not in statements


def test_comments_and_empty_braces_inside_a_statement_stay() -> None:
    text = read_statements(ORDERS, "queries.sql")["list_orders"]
    assert text.startswith("SELECT id, state, amount_minor, currency -- a comment; it stays\n")
    assert "tags <> '{}'\nORDER BY id DESC" in text


def test_a_block_has_its_line_and_description() -> None:
    blocks = {block.name: block for block in read_blocks(ORDERS, "queries.sql")}
    assert blocks["list_orders"].line == 9
    assert blocks["list_orders"].description == "A partner's orders, newest first. $1: the partner"
    assert blocks["money"].is_fragment
    assert blocks["money"].description == ""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("SELECT 1;", "q.sql:1 is outside a block"),
        ("-- name: a\nSELECT 1;\nSELECT 2;", "q.sql:3 is outside a block"),
        ("-- name: a\nSELECT 1", "q.sql:1 a has no `;`"),
        ("-- name: a\n-- nothing\n", "q.sql:1 a has no SQL"),
        ("-- name:\nSELECT 1;", "q.sql:1 '' is no name"),
        ("-- name: List Orders\nSELECT 1;", "q.sql:1 'List Orders' is no name"),
        ("-- name: a\nSELECT 1;\n\n-- name: a\nSELECT 2;", "q.sql:4 a is the name of an earlier block"),
        ("-- name: a\nSELECT 1;\n-- fragment: a\nid", "q.sql:3 a is the name of an earlier block"),
        ("-- fragment: a\nid;", "q.sql:2 the fragment a has a `;`"),
        ("-- name: a\nSELECT {b};", "q.sql:1 a inserts {b}, which is no fragment"),
        ("-- name: a\nSELECT {b};\n-- fragment: b\n{b}", "q.sql:3 b inserts itself through {b}"),
        ("-- name: a\nSELECT {b};\n-- fragment: b\n{c}\n-- fragment: c\n{b}", "q.sql:5 c inserts itself through {b}"),
    ],
)
def test_what_is_malformed_is_refused_with_file_and_line(text: str, sentence: str) -> None:
    with pytest.raises(StatementError) as refused:
        read_statements(text, "q.sql")
    assert str(refused.value).startswith(sentence)


def test_an_unknown_name_is_refused_with_the_file() -> None:
    with pytest.raises(StatementError, match=r"^q\.sql has no statement named list_order\.$"):
        read_statements(ORDERS, "q.sql")["list_order"]


def test_a_package_without_the_file_is_named() -> None:
    with pytest.raises(StatementError, match=r"^tests/support/queries\.sql does not exist\.$"):
        load_statements("tests.support")


def test_a_file_inside_a_wheel_is_loaded_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "shop-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("wheel_of_a_shop/__init__.py", "")
        archive.writestr("wheel_of_a_shop/queries.sql", ORDERS)
    monkeypatch.syspath_prepend(str(wheel))
    importlib.invalidate_caches()
    try:
        statements = load_statements("wheel_of_a_shop")
        assert set(statements) == {"list_orders", "get_order"}
        wheel.unlink()
        assert load_statements("wheel_of_a_shop") is statements
    finally:
        sys.modules.pop("wheel_of_a_shop", None)
