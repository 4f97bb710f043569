"""In large books pages show what the last look found, and when that was; all that decides something looks again."""

import asyncio
import datetime as dt
import uuid

import pytest

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Conflict
from marketplace.finance.bookkeeping.closing import checks_of, close_month
from marketplace.finance.reconciliation import exception_queries
from marketplace.finance.reconciliation.exception_queries import (
    MOST_AGE,
    ExceptionKey,
    find_next,
    get_exception,
    is_open,
    list_exceptions,
)
from marketplace.finance.reconciliation.kept_findings import refresh_exceptions, refresh_large_books
from marketplace.finance.reconciliation.write_offs import propose_write_off
from marketplace.money.ledger import chart
from marketplace.money.ledger.periods import bounds
from tests.finance.builders import sales
from tests.finance.builders.books import book_sale, months_ago, record_comparison
from tests.finance.builders.pages import form, signed_in
from tests.finance.builders.statements import Entry, bank_says
from tests.people.builders import make_staff, page_text
from tests.support.decisions import decide
from tests.support.reads import fetch_value

LOOK = "/finance/exceptions/look"
PAGES = ("/finance", "/finance/exceptions", "/finance/desk", "/finance/periods")
UNREAD = """INSERT INTO stripe_event (id, type, payload, came_by, received_at, created_at, handled_at, error)
            VALUES ($1, 'x', '{}', 'sweep', $2, $2, now(), 'No payment of ours.')"""


@pytest.fixture
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every journal with an entry be large."""
    monkeypatch.setattr(exception_queries, "LIVE_UP_TO", 1)


async def unread(at: dt.datetime | None = None) -> str:
    """Have an event of Stripe's that names nothing of ours, which is an exception."""
    name = f"evt_{uuid.uuid4().hex[:8]}"
    await execute(UNREAD, name, at or clock.now())
    return name


async def references_found(*, kept: bool) -> list[str]:
    return [row.reference for row in (await list_exceptions(kept=kept)).rows]


async def test_small_books_are_looked_at_by_each_page() -> None:
    await book_sale(bounds(months_ago(1))[0])
    name = await unread()
    assert await refresh_large_books() == 0
    assert await fetch_value("SELECT count(*) FROM exception_look") == 0
    await refresh_exceptions()
    other = await unread()
    assert sorted(await references_found(kept=True)) == sorted([name, other])
    async with await signed_in("finance") as nora:
        for page in PAGES:
            assert "Exceptions as they were" not in page_text(await nora.get(f"/en{page}"))


@pytest.mark.usefixtures("_large")
async def test_large_books_show_what_the_last_look_found_until_the_next() -> None:
    await book_sale(bounds(months_ago(1))[0])
    first = await unread()
    assert await references_found(kept=True) == [first], "nobody has looked yet, so the page looks"
    assert await refresh_large_books() == 1
    second = await unread()
    assert await references_found(kept=True) == [first]
    assert sorted(await references_found(kept=False)) == sorted([first, second])
    async with await signed_in("auditor") as eve, await signed_in("finance") as nora:
        for page in PAGES:
            read = page_text(await eve.get(f"/en{page}"))
            assert "Exceptions as they were at" in read
            assert "Look again" not in read, "an auditor changes nothing"
            assert second not in read
            assert "Exceptions telles qu’elles étaient" in page_text(await eve.get(f"/fr{page}"))
            assert "Look again" in page_text(await nora.get(f"/en{page}"))
        fields = form((await nora.get(f"/en{LOOK.removesuffix('/look')}")).text, f"/en{LOOK}")
        assert (await eve.post(f"/en{LOOK}")).status_code == 403
        assert (await nora.post(f"/en{LOOK}", data=fields)).status_code == 303
        assert second in page_text(await eve.get("/en/finance/exceptions"))
    await execute("DELETE FROM stripe_event")
    assert await refresh_large_books() == 0
    assert await references_found(kept=True) == []


@pytest.mark.usefixtures("_large")
async def test_what_was_kept_is_what_a_look_says_with_all_that_is_of_each() -> None:
    await bank_says(Entry(-37, "B1", "Frais"), Entry(12, "B2", "?"), Entry(900, "B3", "?"))
    await unread(clock.now() - dt.timedelta(days=40))
    await refresh_exceptions()
    with clock.shifted(dt.timedelta(minutes=5)):
        live, kept = await list_exceptions(), await list_exceptions(kept=True)
        for one, other in zip(live.rows, kept.rows, strict=True):
            assert (one.why, one.detail, one.subject, one.reference, one.path) == (
                other.why,
                other.detail,
                other.subject,
                other.reference,
                other.path,
            )
            assert (one.amount_minor, one.at, one.proposal) == (other.amount_minor, other.at, other.proposal)
            assert abs(one.weight - other.weight) < 1
        assert (live.reasons, live.ages) == (kept.reasons, kept.ages)
        assert live.looked_at is None
        assert kept.looked_at is not None
        assert [row.why for row in (await list_exceptions(why="event_failed", kept=True)).rows] == ["event_failed"]
    with clock.shifted(MOST_AGE + dt.timedelta(minutes=1)):
        assert (await list_exceptions(kept=True)).looked_at is None, "an old answer is none"


@pytest.mark.usefixtures("_large")
async def test_what_was_written_off_or_settled_since_is_gone_at_once() -> None:
    ada, bob, form_id = await make_staff("Ada"), await make_staff("Bob"), uuid.uuid4()
    line, other = await bank_says(Entry(-37, "B1", "Frais"), Entry(12, "B2", "?"))
    await refresh_exceptions()
    await propose_write_off("line_unexplained", str(line), ada, reason="Too small to ask.", form_id=form_id)
    assert [row.proposal for row in (await list_exceptions(kept=True)).rows if row.reference == "B1"] == [form_id]
    await decide(form_id, bob, approve=True)
    assert await references_found(kept=True) == ["B2"]
    async with await signed_in("finance") as nora:
        gone = await nora.get(f"/en/finance/exception?why=line_unexplained&subject={line}")
        assert gone.status_code == 404, "its page looks again"
        settled = {"why": "line_unexplained", "subject": str(other), "kind": "fee", "target": chart.ADVANCES}
        fields = form((await nora.get("/en/finance/exceptions")).text, f"/en{LOOK}")
        answer = await nora.post("/en/finance/exception/settle", data={**fields, **settled, "amount_minor": "12"})
        assert answer.status_code == 303, page_text(answer)
    assert await references_found(kept=True) == []


@pytest.mark.usefixtures("_large")
async def test_a_month_never_closes_over_what_the_last_look_did_not_find() -> None:
    ada, month = await make_staff("Ada"), months_ago(1)
    start, _ = bounds(month)
    await book_sale(start)
    await record_comparison()
    assert await refresh_large_books() == 0
    name = await unread(start)
    assert all(check.passes for check in await checks_of(month, kept=True)), "what its page shows"
    with pytest.raises(Conflict, match=name):
        await close_month(month, ada)
    assert await refresh_large_books() == 1
    await execute("DELETE FROM stripe_event")
    assert not all(check.passes for check in await checks_of(month, kept=True)), "what its page shows"
    await close_month(month, ada)


@pytest.mark.usefixtures("_large")
async def test_two_who_look_at_once_keep_each_exception_once() -> None:
    await book_sale(clock.now())
    name = await unread()
    assert await asyncio.gather(*(refresh_exceptions() for _ in range(3))) == [1, 1, 1]
    assert await fetch_value("SELECT count(*) FROM kept_exception") == 1
    assert await references_found(kept=True) == [name]


@pytest.mark.usefixtures("_large")
async def test_one_exception_of_the_bank_is_read_without_any_order_and_the_next_as_kept() -> None:
    await sales.write_shop()
    order = await sales.write_sold_order()
    line, other = await bank_says(Entry(-37, "B1", "Frais"), Entry(12, "B2", "?"))
    await refresh_exceptions()
    later = await unread(clock.now() - dt.timedelta(days=400))
    reads = """SELECT sum(coalesce(seq_scan, 0) + coalesce(idx_scan, 0))::bigint FROM pg_stat_xact_user_tables
               WHERE relname IN ('purchase_order', 'balance_transaction')"""
    async with transaction():
        before = await fetch_value(reads)
        found = await get_exception("line_unexplained", str(line))
        assert await is_open(ExceptionKey("line_unexplained", str(other)))
        followed = [found.subject]
        while following := await find_next("line_unexplained", followed[-1]):
            followed.append(following.subject)
            if following.why != "line_unexplained":
                break
        assert await fetch_value(reads) == before
    assert str(other) in followed
    assert later not in followed
    assert (await get_exception("sale_without_charge", str(order))).reference
