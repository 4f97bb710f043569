"""A bank line of the tax office settles VAT: a month whole by one press, or account by account; undone in the open, never twice."""

import datetime as dt

import pytest

from marketplace.core import clock
from marketplace.core.errors import Invalid, NotFound
from marketplace.core.web.formats import paris_day
from marketplace.finance.bank.candidates import list_for_line, settle_line
from marketplace.finance.bank.matching import FEE_ACCOUNTS, undo_matches
from marketplace.finance.bank.queries import get_line
from marketplace.finance.bank.vat import months_before, vat_due
from marketplace.finance.bookkeeping.exports.fec import copy_lines
from marketplace.finance.bookkeeping.exports.format import Days
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import record
from marketplace.money.ledger.queries import balance
from marketplace.people.identity.actors import Actor
from tests.finance.builders.statements import Entry, bank_says, open_exceptions
from tests.people.builders import PASSWORD, Browser, add_staff, make_staff
from tests.support.reads import fetch, fetch_value

SOLD, LOST = 12_000, 3_000
OFFICE = "DGFIP IMPOTS PRO"


async def sell_and_lose() -> str:
    """Enter the VAT of a sale and that of a bad debt in the month before the lines'; return that month."""
    last = (clock.now() - dt.timedelta(days=6)).astimezone(dt.UTC).replace(day=1) - dt.timedelta(days=3)
    await record("any", "sale", at=last, text="A sale", postings=[(chart.PARTNERS, chart.VAT_COLLECTED, SOLD)])
    await record("any", "loss", at=last, text="A loss", postings=[(chart.VAT_RECLAIMED, chart.PARTNERS, LOST)])
    return f"{last:%Y-%m}"


async def office_says(amount: int = LOST - SOLD, reference: str = "TVA1") -> int:
    [line] = await bank_says(Entry(amount, reference, "TVA CA3", OFFICE), name=reference)
    return line


async def vat() -> tuple[int, int]:
    return await balance(chart.VAT_COLLECTED), await balance(chart.VAT_RECLAIMED)


async def fec() -> str:
    """Return this year's and last year's lines of the FEC."""
    found, year = bytearray(), paris_day(clock.now()).year

    async def sink(piece: bytes) -> None:
        found.extend(piece)

    for one in (year - 1, year):
        await copy_lines(Days(dt.date(one, 1, 1), dt.date(one, 12, 31)), sink)
    return found.decode()


async def test_a_month_of_vat_is_a_candidate_that_settles_every_account_of_it() -> None:
    month, clerk = await sell_and_lose(), await make_staff("Ada")
    line = await office_says()
    [candidate] = await list_for_line((await get_line(line)).line)
    assert (candidate.kind, candidate.id, candidate.amount_minor, candidate.fits) == ("vat", month, LOST - SOLD, True)
    assert {"amount_equal", "name_alike"} <= set(candidate.reasons)
    for target, amount, error in (("2026-13", LOST - SOLD, NotFound), ("odd", 1, NotFound), (month, -1, Invalid)):
        with pytest.raises(error):
            await settle_line(line, [("vat", target, amount)], clerk)
    await add_staff("nora@partage.example", "Nora", "finance", PASSWORD)
    async with Browser() as visitor:
        await visitor.sign_in("nora@partage.example")
        page = (await visitor.get(f"/en/finance/bank/lines/{line}")).text
        assert all(f">{account} " in page for account in chart.VAT), "each can be chosen"
        form = {"why": "line_unexplained", "subject": str(line), "kind": "vat", "target": month}
        settled = await visitor.submit("/en/finance/exception/settle", form | {"amount_minor": str(LOST - SOLD)})
        assert settled.status_code == 303, settled.text
        assert await vat() == (0, 0)
        assert await balance(chart.SUSPENSE) == 0
        assert await open_exceptions() == []
        entry = await fetch_value("SELECT min(id) FROM journal_entry WHERE kind = 'vat_settled'")
        for language, label in (("en", "VAT settled with the tax office"), ("fr", "Règlement de la TVA")):
            assert label in (await visitor.get(f"/{language}/finance/journal/{entry}")).text
            assert label in (await visitor.get(f"/{language}/finance/bank/lines/{line}")).text
    assert "Règlement de la TVA TVA1" in await fec(), "the inspector reads what it is, and of which line"
    assert not await vat_due(dt.date.fromisoformat(f"{month}-01"))
    twice = await office_says(reference="TVA2")
    assert await list_for_line((await get_line(twice)).line) == [], "a month is settled once"
    with pytest.raises(Invalid, match="is 0 cents"):
        await settle_line(twice, [("vat", month, LOST - SOLD)], clerk)
    await undo_matches(line, clerk, reason="It was another tax.")
    assert await vat() == (-SOLD, LOST)
    [candidate] = await list_for_line((await get_line(twice)).line)
    assert candidate.id == month


async def split(clerk: Actor, amount: int, *parts: tuple[str, int]) -> None:
    line = await office_says(amount, f"L{amount}")
    await settle_line(line, [("fee", account, minor) for account, minor in parts], clerk)


async def test_a_line_is_split_over_the_accounts_of_vat_and_so_is_a_credit_of_the_office() -> None:
    await sell_and_lose()
    clerk = await make_staff("Ada")
    await split(clerk, -9_500, (chart.VAT_COLLECTED, -SOLD), (chart.VAT_RECLAIMED, 2_000), (chart.BANK_CHARGES, 500))
    assert await vat() == (0, 1_000)
    await split(clerk, 1_000, (chart.VAT_RECLAIMED, 1_000))
    assert await vat() == (0, 0), "what is reclaimed came back"
    rows = await fetch("SELECT target_kind, account FROM bank_match ORDER BY account")
    assert {tuple(row) for row in rows} == {
        ("vat", chart.VAT_COLLECTED),
        ("vat", chart.VAT_RECLAIMED),
        ("fee", chart.BANK_CHARGES),
    }
    kinds = await fetch(
        "SELECT kind, count(*) AS n FROM journal_entry WHERE kind IN ('bank_match', 'vat_settled') GROUP BY 1"
    )
    assert {row["kind"]: row["n"] for row in kinds} == {"bank_match": 1, "vat_settled": 3}
    assert set(chart.VAT) < set(FEE_ACCOUNTS)


def test_which_months_a_line_may_settle() -> None:
    months = [dt.date(2026, 12, 1), dt.date(2026, 11, 1), dt.date(2026, 10, 1)]
    assert months_before(dt.date(2027, 1, 31)) == months
