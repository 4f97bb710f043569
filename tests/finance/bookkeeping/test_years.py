"""A year is closed by two people; its balances are carried, and its file made again years later is the same, byte for byte."""

import datetime as dt
import re
import uuid

import httpx
import pytest

from marketplace.core import clock
from marketplace.core.errors import Conflict, NotFound
from marketplace.core.settings import settings
from marketplace.finance.bookkeeping.export_files import open_export, write_exports
from marketplace.finance.bookkeeping.years import end_of, list_closable, list_years, propose_year, year_end
from marketplace.finance.task_kinds import DECISION
from marketplace.money.ledger.periods import bounds
from marketplace.oversight.invariants import broken
from tests.finance.bookkeeping.validators import rows_of_fec
from tests.finance.builders.books import SECOND_YEAR, book_two_years
from tests.finance.builders.pages import signed_in
from tests.people.builders import make_staff, page_text
from tests.support.decisions import buttons_of, decide
from tests.support.owner import as_owner

PAGE = "/en/finance/years"


async def send_year(visitor: httpx.AsyncClient, path: str = "", **fields: str) -> httpx.Response:
    token = re.search(r'name="_csrf_token" value="([^"]+)"', (await visitor.get("/en/finance/bank")).text)
    assert token
    data = {"_csrf_token": token.group(1), "form_id": str(uuid.uuid4()), **fields}
    return await visitor.post(path if path.startswith("/en/") else f"{PAGE}{path}", data=data)


async def bytes_of_export(export: uuid.UUID) -> bytes:
    _, _, pieces = await open_export(export)
    return b"".join([piece async for piece in pieces])


async def test_two_people_close_a_year_and_its_file_is_the_same_years_later(monkeypatch: pytest.MonkeyPatch) -> None:
    await book_two_years()
    assert await list_closable() == [SECOND_YEAR - 1, SECOND_YEAR]
    ends = [await year_end(year) for year in (SECOND_YEAR - 1, SECOND_YEAR)]
    assert [(end.result_minor, end.carried_minor) for end in ends] == [(700, 1_000), (-200, 1_050)]
    assert [(row.code, row.balance_minor) for row in ends[1].carried] == [
        ("110000", -500),
        ("401000", -550),
        ("411000", 1_050),
    ]
    assert (bounds(dt.date(SECOND_YEAR, 12, 1))[1]) == end_of(SECOND_YEAR)
    async with await signed_in("finance") as ada, await signed_in("finance") as bob, await signed_in("auditor") as eve:
        assert f"Close {SECOND_YEAR - 1}" in page_text(await eve.get(PAGE))
        assert (await send_year(ada, year=str(SECOND_YEAR + 1))).status_code == 409
        form = uuid.uuid4()
        for _ in range(2):  # a double click
            assert (await send_year(ada, year=str(SECOND_YEAR), form_id=str(form))).status_code == 303
        for year in (SECOND_YEAR, 9999, 2**63 - 1):
            assert (await send_year(bob, year=str(year))).status_code == 409
        assert str(SECOND_YEAR) in [task.title_en for task in (await DECISION.list(clock.now())).rows]
        assert (await send_year(eve, f"/{form}/again")).status_code == 404
        decision, approve = await buttons_of(form)
        assert (await send_year(ada, decision, **approve)).status_code == 403
        page = page_text(await bob.get(PAGE.replace("/en/", "/fr/")))
        assert "Perte" in page
        assert "Report à nouveau" in page
        assert (await send_year(bob, decision, **approve)).status_code == 303
        assert (await send_year(bob, decision, **approve | {"decision": "refuse"})).status_code == 409
        assert "Being written" in page_text(await eve.get(PAGE))
        await write_exports()
        first = await bytes_of_export(form)
        [opening, *_] = rows_of_fec(first)
        assert opening["JournalCode"] == "AN"
        assert {row["CompteNum"]: row["Credit"] for row in rows_of_fec(first) if row["JournalCode"] == "AN"}[
            "110000"
        ] == "7,00"
        # Years later: the accountant's numbers, our titles and labels are others.
        monkeypatch.setenv("EXPORT_ACCOUNTS", "411000:4110001")
        settings.cache_clear()
        await as_owner("UPDATE account SET title_fr = title_fr || ' (anciennement)'")
        again = uuid.uuid4()
        assert (await send_year(eve, f"/{form}/again", form_id=str(again))).status_code == 303
        await write_exports()
        assert await bytes_of_export(again) == first
        assert "made again: the same, byte for byte" in page_text(await bob.get(PAGE))
        [row] = [row for row in await list_years() if row.year == SECOND_YEAR]
        assert (row.written, row.differing) == (2, 0)
        await as_owner(f"UPDATE export_file SET sha256 = 'x' WHERE id = '{again}'")
        assert "made again, and differs" in page_text(await bob.get(PAGE))
        assert any("however often it is written" in line for line in await broken())
        await as_owner(f"DELETE FROM export_file WHERE id = '{again}'")


async def test_a_refused_year_may_be_proposed_again_and_a_strange_one_is_not_found() -> None:
    await book_two_years()
    ada, bob, form = await make_staff("Ada"), await make_staff("Bob"), uuid.uuid4()
    await propose_year(SECOND_YEAR - 1, ada, form_id=form)
    assert await list_closable() == [SECOND_YEAR]
    await decide(form, bob, approve=False)
    assert await list_closable() == [SECOND_YEAR - 1, SECOND_YEAR]
    async with await signed_in("auditor") as eve:
        assert "refused" in page_text(await eve.get("/en/finance/decisions?kind=year&which=refused"))
    await propose_year(SECOND_YEAR - 1, bob, form_id=uuid.uuid4())
    with pytest.raises(Conflict):
        await propose_year(SECOND_YEAR - 1, ada, form_id=uuid.uuid4())
    with pytest.raises(NotFound):
        await decide(uuid.uuid4(), ada, approve=True)
    # A file that our own check refuses says so, and is not handed out.
    close = uuid.uuid4()
    await propose_year(SECOND_YEAR, ada, form_id=close)
    await decide(close, bob, approve=True)
    await as_owner(
        "UPDATE export_file SET state = 'failed', fault = 'line 3: entry 2 follows entry 4', done_at = now() WHERE state = 'waiting'"
    )
    async with await signed_in("auditor") as eve:
        page = page_text(await eve.get(PAGE))
        assert "Not handed out line 3: entry 2 follows entry 4" in page
