"""Importing statements: once and whole, posted at once; repeats change nothing, contradictions are refused, gaps found."""

import asyncio
import datetime as dt
from typing import Any

import pytest

from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.finance.bank.actions import ImportResult, import_bank_statement
from marketplace.finance.bank.queries import get_line, get_statement, list_accounts, list_gaps
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from tests.finance.builders.statements import DAY, IBAN, Entry, Statement
from tests.support.reads import fetch, fetch_value

NEXT = DAY + dt.timedelta(days=1)


async def bring(statement: Statement, version: str = "08", **more: Any) -> ImportResult:
    return await import_bank_statement(statement.xml(version), person=None, **{"new_account": True} | more)


async def test_a_statement_is_in_the_books_at_once() -> None:
    given = Statement([Entry(11_795, "B1"), Entry(-300, "B2", "Frais")], opening=50_000)
    assert await bring(given) == ImportResult(1, 2, 0, IBAN)
    assert await balance(chart.BANK) == 61_495 == given.ends_at()
    assert await balance(chart.SUSPENSE) == -11_495
    assert await balance(chart.OPENING_BALANCES) == -50_000
    [account] = await list_accounts()
    assert (account.closing_minor, account.unexplained) == (61_495, 2)
    [line, _] = await fetch("SELECT id, statement FROM bank_line ORDER BY id")
    assert (await get_line(line["id"])).line.amount_minor == 11_795
    assert (await get_statement(line["statement"])).line_count == 2
    with pytest.raises(NotFound):
        await get_line(0)
    with pytest.raises(NotFound):
        await get_statement(10**30)


async def test_what_comes_again_changes_nothing() -> None:
    given = Statement([Entry(700, "B1"), Entry(50, "")], opening=10)
    await bring(given)
    before = await balance(chart.BANK)
    assert await bring(given) == ImportResult(0, 0, 1, IBAN)
    assert await bring(given, version="02") == ImportResult(0, 0, 1, IBAN)
    given.message = "M1-again"
    assert await bring(given) == ImportResult(0, 0, 1, IBAN)
    empty = Statement(opening=760, name="S2", message="M2", day=NEXT)
    assert await bring(empty) == ImportResult(1, 0, 0, IBAN)
    empty.message = "M2-again"
    assert await bring(empty) == ImportResult(0, 0, 1, IBAN)
    results = await asyncio.gather(
        *(
            asyncio.create_task(bring(Statement([Entry(1, "B9")], opening=760, name="S3", message="M3", day=NEXT)))
            for _ in range(3)
        )
    )
    assert sorted(result.lines for result in results) == [0, 0, 1]
    assert await balance(chart.BANK) == before + 1
    assert await fetch_value("SELECT count(*) FROM bank_statement") == 3


async def test_what_contradicts_is_refused_whole() -> None:
    await bring(Statement([Entry(700, "B1")], opening=10))
    for wrong, words in (
        (Statement([Entry(701, "B1")], opening=10), "another amount"),
        (Statement([Entry(700, "B1", day=NEXT)], opening=10, message="M9"), "another amount or day"),
        (Statement([Entry(700, "B1")], opening=11), "other figures"),
        (
            Statement([Entry(1, "B0"), Entry(700, "B1")], opening=9, message="M9", name="S9"),
            "with the statement S1",
        ),
        (Statement([Entry(5, "B5")], iban="DE89370400440532013000"), "not known as ours"),
    ):
        with pytest.raises(Conflict, match=words):
            await bring(wrong, new_account=False)
    with pytest.raises(Invalid, match="does not add up"):
        await bring(Statement([Entry(5, "B5")], closing=6, message="M8", name="S8"))
    with pytest.raises(Invalid, match="larger than 20 MB"):
        await import_bank_statement(b" " * 20_000_001, person=None)
    assert await fetch_value("SELECT count(*) FROM bank_line") == 1
    assert await balance(chart.BANK) == 710


async def test_a_missing_statement_is_found() -> None:
    await bring(Statement([Entry(700, "B1")], sequence=1))
    await bring(Statement([Entry(5, "B3")], opening=900, name="S3", message="M3", day=NEXT, sequence=3))
    [gap] = await list_gaps()
    assert (gap.statement_id, gap.missing_minor) == ("S3", 200)
    await bring(Statement([Entry(200, "B2")], opening=700, name="S2", message="M2", day=NEXT, sequence=2))
    assert await list_gaps() == []
    assert await balance(chart.BANK) == 905
