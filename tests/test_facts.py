"""A fact is written once: a column in `tables.py`, an account number in the chart, the currency in `pricing.money`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.ledger import chart
from tests.support.ratchet import check, rule
from tests.support.source import Finding, docstrings_in, nodes_of, product_files, sql_files, strings_in, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER_DATABASES = ("marketplace/builds/", "marketplace/embedded/stripe_counterpart/")
"""DuckDB's and SQLite's: their tables are no tables of ours."""
ACCOUNTS = re.compile(rf"(?<![\w.])(?:{'|'.join(chart.TITLES)})(?![\w.])")
COLUMN = re.compile(r"\bCREATE (?:UNLOGGED )?TABLE\b|\bADD COLUMN\b")
CURRENCY = re.compile(r"^EUR$|'EUR'")


class Text(Struct, frozen=True):
    """A string of a Python file as it is written, or a `.sql` file without comments; `line` is where it begins."""

    path: str
    line: int
    text: str


def texts() -> Iterator[Text]:
    """Yield the strings of the product but docstrings, and its `.sql` files."""
    for path in product_files():
        docstrings = docstrings_in(nodes_of(path))
        for text, line in strings_in(nodes_of(path)):
            if line not in docstrings:
                yield Text(path, line, text)
    for path in sql_files():
        yield Text(path, 1, re.sub(r"--.*", "", text_of(path)))


def matches(pattern: re.Pattern[str], text: Text) -> Iterator[tuple[str, int]]:
    """Yield what a pattern finds in a text, with the line."""
    for match in pattern.finditer(text.text):
        yield match[0], text.line + text.text.count("\n", 0, match.start())


@rule
def hand_made_columns() -> list[Finding]:
    """Return the SQL that makes a table or a column by hand; the generated schema and temporary tables are none."""
    return [
        Finding(text.path, line, f"{found} by hand; a column is written in tables.py alone")
        for text in texts()
        if not text.path.startswith(("migrations/history/", "migrations/generate.py", *OTHER_DATABASES))
        for found, line in matches(COLUMN, text)
    ]


@rule
def account_numbers() -> list[Finding]:
    """Return the literal account numbers outside the chart."""
    return [
        Finding(text.path, line, f"names the account {found}; use marketplace.ledger.chart")
        for text in texts()
        if text.path != "marketplace/ledger/chart.py"
        for found, line in matches(ACCOUNTS, text)
    ]


@rule
def currency_literals() -> list[Finding]:
    """Return the literals of the currency outside `pricing/money.py` and the generated schema."""
    return [
        Finding(text.path, line, "names the currency EUR; use pricing.money.EUR")
        for text in texts()
        if text.path != "pricing/money.py" and not text.path.startswith("migrations/history/")
        for _, line in matches(CURRENCY, text)
    ]


def test_columns_are_written_in_tables_alone() -> None:
    check(hand_made_columns)


def test_account_numbers_are_written_in_the_chart_alone() -> None:
    check(account_numbers)


def test_the_currency_is_written_in_money_alone() -> None:
    check(currency_literals)
