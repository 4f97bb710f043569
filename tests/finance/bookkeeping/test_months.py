"""A month is closed by two people: one proposes it, another agrees, and what came in between stops it."""

import asyncio
import contextvars
import uuid

from babel.dates import format_date

from marketplace.core.database import execute, transaction
from marketplace.money.ledger.periods import bounds, closed_until, lock_periods
from tests.finance.builders.books import book_sale, months_ago, record_comparison
from tests.people.builders import PASSWORD, Browser, add_staff, kinds_written, page_text
from tests.support.decisions import buttons_of
from tests.support.reads import fetch_value
from tests.support.waiting import until_blocked


async def test_two_people_close_a_month_and_what_comes_in_between_stops_it() -> None:
    month = months_ago(1)
    name, periods = month.isoformat()[:7], "/en/finance/periods"
    await book_sale(bounds(month)[0])
    for who in ("ada", "bob"):
        await add_staff(f"{who}@partage.example", who.title(), "finance", PASSWORD)
    async with Browser() as ada, Browser() as bob:
        await ada.sign_in("ada@partage.example")
        await bob.sign_in("bob@partage.example")
        refused = await ada.submit(f"{periods}/{name}/propose", {})
        assert (refused.status_code, "cannot close" in page_text(refused)) == (409, True), "Stripe was not compared"
        await record_comparison()
        assert f"/finance/periods/{name}/propose" in (await ada.get(periods)).text
        assert (await ada.submit(f"{periods}/odd/propose", {})).status_code == 422
        form = str(uuid.uuid4())
        for _ in range(2):
            assert (await ada.submit(f"{periods}/{name}/propose", {}, form_id=form)).status_code == 303
        assert (await bob.submit(f"{periods}/{name}/propose", {})).status_code == 409, "one proposal at a time"
        assert await kinds_written() == ["proposal_to_decide"]
        decision, approve = await buttons_of(form)
        assert (await ada.submit(decision, approve)).status_code == 403
        assert "waits for a second person" in page_text(await ada.get(periods))
        assert "Nothing waits for you." in page_text(await ada.get("/en/finance/desk")), "it is with others"
        assert format_date(month, "LLLL y", locale="fr") in page_text(await bob.get("/fr/finance/desk"))
        assert "Ada" in page_text(await bob.get("/fr/finance/periods"))
        assert decision.removeprefix("/en") in (await bob.get(periods)).text
        assert (await bob.submit(decision, approve | {"sha256": "0" * 64})).status_code == 409, "another document"
        assert (await bob.submit(decision, approve | {"decision": "refuse"})).status_code == 303
        assert (await bob.submit(decision, approve)).status_code == 409
        again = str(uuid.uuid4())
        assert (await ada.submit(f"{periods}/{name}/propose", {}, form_id=again)).status_code == 303
        await record_comparison(1)
        decision, approve = await buttons_of(again)
        stopped = await bob.submit(decision, approve)
        assert (stopped.status_code, "cannot close" in page_text(stopped)) == (409, True), "it does not agree any more"
        assert "for ever" not in (await bob.get(periods)).text.split("finance/decisions/")[-1]
        assert await closed_until() is None
        await record_comparison()
        apart = contextvars.copy_context()
        async with transaction():
            await lock_periods()  # as who proposes does, and meets the proposal next
            deciding = asyncio.create_task(bob.submit(decision, approve), context=apart)
            await until_blocked(1)
            await execute("SELECT FROM proposal FOR UPDATE NOWAIT")
        assert (await deciding).status_code == 303
        assert (await bob.submit(decision, approve)).status_code == 409
        assert await closed_until() == bounds(month)[1]
        assert (await ada.submit(f"{periods}/{name}/propose", {})).status_code == 409, "a closed month stays closed"
        assert "Every month that is over is closed." in page_text(await ada.get(periods))
    verbs = await fetch_value("SELECT array_agg(verb ORDER BY id) FROM staff_action WHERE verb LIKE 'period%'")
    assert verbs == ["period_close_proposed", "period_close_refused", "period_close_proposed", "period_closed"]
