"""A year is closed by two people; its balances are carried, and its file made again years later is the same, byte for byte."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING

import pytest

from marketplace import clock
from marketplace.bookkeeping.export_files import open_export, write_exports
from marketplace.bookkeeping.years import decide_year, end_of, list_closable, list_years, propose_year, year_end
from marketplace.database import transaction
from marketplace.desk.queries import list_tasks
from marketplace.errors import Conflict, NotFound
from marketplace.invariants import broken
from marketplace.ledger import chart
from marketplace.ledger.actions import record
from marketplace.ledger.periods import bounds, close_period, list_open
from marketplace.settings import settings
from marketplace.web.formats import paris_day
from tests.marketplace.bookkeeping.test_exports import rows_of
from tests.marketplace.finance.test_pages import signed_in
from tests.marketplace.identity.site import make_staff, text_of
from tests.support.owner import as_owner

if TYPE_CHECKING:
    import httpx

YEAR = paris_day(clock.now()).year - 2
SALE, FEE = (chart.PARTNERS, chart.LICENCES_SOLD), (chart.BANK_CHARGES, chart.SUPPLIERS)
PAGE = "/en/finance/years"


async def book(kind: str, name: str, day: dt.date, moves: tuple[str, str], amount: int) -> None:
    at = dt.datetime.combine(day, dt.time(11), dt.UTC)
    await record(kind, name, at=at, text=name, postings=[(*moves, amount)])


async def two_years() -> None:
    """Book two years: a profit, then a loss; and close every month of both."""
    await book("fact", "sale 1", dt.date(YEAR - 1, 2, 3), SALE, 1_000)
    await book("fact", "fee 1", dt.date(YEAR - 1, 5, 5), FEE, 300)
    await book("fact", "sale 2", dt.date(YEAR, 2, 3), SALE, 50)
    await book("fact", "fee 2", dt.date(YEAR, 12, 31), FEE, 250)
    ada = await make_staff("Ada")
    assert ada.person
    for month in await list_open(clock.now()):
        if month.year <= YEAR:
            async with transaction():
                await close_period(month, ada.person, [])


async def sent(visitor: httpx.AsyncClient, path: str = "", **fields: str) -> httpx.Response:
    token = re.search(r'name="_csrf_token" value="([^"]+)"', (await visitor.get("/en/finance/bank")).text)
    assert token
    data = {"_csrf_token": token.group(1), "form_id": str(uuid.uuid4()), **fields}
    return await visitor.post(f"{PAGE}{path}", data=data)


async def bytes_of(export: uuid.UUID) -> bytes:
    _, _, pieces = await open_export(export)
    return b"".join([piece async for piece in pieces])


async def test_two_people_close_a_year_and_its_file_is_the_same_years_later(monkeypatch: pytest.MonkeyPatch) -> None:
    await two_years()
    assert await list_closable() == [YEAR - 1, YEAR]
    ends = [await year_end(year) for year in (YEAR - 1, YEAR)]
    assert [(end.result_minor, end.carried_minor) for end in ends] == [(700, 1_000), (-200, 1_050)]
    assert [(row.code, row.balance_minor) for row in ends[1].carried] == [
        ("110000", -500),
        ("401000", -550),
        ("411000", 1_050),
    ]
    assert (bounds(dt.date(YEAR, 12, 1))[1]) == end_of(YEAR)
    async with await signed_in("finance") as ada, await signed_in("finance") as bob, await signed_in("auditor") as eve:
        assert f"Close {YEAR - 1}" in text_of(await eve.get(PAGE))
        assert (await sent(ada, year=str(YEAR + 1))).status_code == 409
        form = uuid.uuid4()
        for _ in range(2):  # a double click
            assert (await sent(ada, year=str(YEAR), form_id=str(form))).status_code == 303
        assert (await sent(bob, year=str(YEAR))).status_code == 409
        assert [task.reference for task in await list_tasks(None) if task.kind == "year"] == [str(YEAR)]
        assert (await sent(eve, f"/{form}/again")).status_code == 404
        assert (await sent(ada, f"/{form}", decision="approve")).status_code == 403
        page = text_of(await bob.get(PAGE.replace("/en/", "/fr/")))
        assert "Perte" in page
        assert "Report à nouveau" in page
        assert (await sent(bob, f"/{form}", decision="approve")).status_code == 303
        assert (await sent(bob, f"/{form}", decision="refuse")).status_code == 409
        assert "Being written" in text_of(await eve.get(PAGE))
        await write_exports()
        first = await bytes_of(form)
        [opening, *_] = rows_of(first)
        assert opening["JournalCode"] == "AN"
        assert {row["CompteNum"]: row["Credit"] for row in rows_of(first) if row["JournalCode"] == "AN"}[
            "110000"
        ] == "7,00"
        # Years later: the accountant's numbers, our titles and labels are others.
        monkeypatch.setenv("EXPORT_ACCOUNTS", "411000:4110001")
        settings.cache_clear()
        await as_owner("UPDATE account SET title_fr = title_fr || ' (anciennement)'")
        again = uuid.uuid4()
        assert (await sent(eve, f"/{form}/again", form_id=str(again))).status_code == 303
        await write_exports()
        assert await bytes_of(again) == first
        assert "made again: the same, byte for byte" in text_of(await bob.get(PAGE))
        [row] = [row for row in await list_years() if row.year == YEAR]
        assert (row.written, row.differing) == (2, 0)
        await as_owner(f"UPDATE export_file SET sha256 = 'x' WHERE id = '{again}'")
        assert "made again, and differs" in text_of(await bob.get(PAGE))
        assert any("however often it is written" in line for line in await broken())
        await as_owner(f"DELETE FROM export_file WHERE id = '{again}'")


async def test_a_refused_year_may_be_proposed_again_and_a_strange_one_is_not_found() -> None:
    await two_years()
    ada, bob, form = await make_staff("Ada"), await make_staff("Bob"), uuid.uuid4()
    await propose_year(YEAR - 1, ada, form_id=form)
    assert await list_closable() == [YEAR]
    await decide_year(form, bob, approve=False)
    assert await list_closable() == [YEAR - 1, YEAR]
    async with await signed_in("auditor") as eve:
        assert "refused" in text_of(await eve.get(PAGE))
    await propose_year(YEAR - 1, bob, form_id=uuid.uuid4())
    with pytest.raises(Conflict):
        await propose_year(YEAR - 1, ada, form_id=uuid.uuid4())
    with pytest.raises(NotFound):
        await decide_year(uuid.uuid4(), ada, approve=True)
    # A file that our own check refuses says so, and is not handed out.
    close = uuid.uuid4()
    await propose_year(YEAR, ada, form_id=close)
    await decide_year(close, bob, approve=True)
    await as_owner(
        "UPDATE export_file SET state = 'failed', fault = 'line 3: entry 2 follows entry 4', done_at = now() WHERE state = 'waiting'"
    )
    async with await signed_in("auditor") as eve:
        page = text_of(await eve.get(PAGE))
        assert "Not handed out line 3: entry 2 follows entry 4" in page
