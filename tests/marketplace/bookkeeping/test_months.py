"""A month is closed by two people: one proposes it, another agrees, and what came in between stops it."""

from __future__ import annotations

import asyncio
import contextvars
import uuid

from babel.dates import format_date

from marketplace.database import execute, transaction
from marketplace.identity import actions as identity
from marketplace.ledger.periods import bounds, closed_until, lock_periods
from tests.marketplace.bookkeeping.test_closing import compare, months_ago, sell
from tests.marketplace.identity.site import PASSWORD, Browser, text_of
from tests.marketplace.messages.written import kinds_written
from tests.support.reads import fetch_value
from tests.support.waiting import until_blocked


async def test_two_people_close_a_month_and_what_comes_in_between_stops_it() -> None:
    month = months_ago(1)
    name, periods = month.isoformat()[:7], "/en/finance/periods"
    await sell(bounds(month)[0])
    for who in ("ada", "bob"):
        await identity.add_staff(f"{who}@partage.example", who.title(), "finance", PASSWORD)
    async with Browser() as ada, Browser() as bob:
        await ada.sign_in("ada@partage.example")
        await bob.sign_in("bob@partage.example")
        refused = await ada.submit(f"{periods}/{name}/propose", {})
        assert (refused.status_code, "cannot close" in text_of(refused)) == (409, True), "Stripe was not compared"
        await compare()
        assert f"/finance/periods/{name}/propose" in (await ada.get(periods)).text
        assert (await ada.submit(f"{periods}/odd/propose", {})).status_code == 422
        form = str(uuid.uuid4())
        for _ in range(2):
            assert (await ada.submit(f"{periods}/{name}/propose", {}, form_id=form)).status_code == 303
        assert (await bob.submit(f"{periods}/{name}/propose", {})).status_code == 409, "one proposal at a time"
        assert await kinds_written() == ["month_to_close"]
        decision = f"{periods}/closes/{form}"
        assert (await ada.submit(decision, {"decision": "approve"})).status_code == 403
        assert "waits for a second person" in text_of(await ada.get(periods))
        assert "Nothing waits for you." in text_of(await ada.get("/en/finance/desk")), "it is with others"
        assert format_date(month, "LLLL y", locale="fr") in text_of(await bob.get("/fr/finance/desk"))
        assert "Ada" in text_of(await bob.get("/fr/finance/periods"))
        assert (await bob.submit(decision, {"decision": "refuse"})).status_code == 303
        assert (await bob.submit(decision, {"decision": "approve"})).status_code == 409
        again = str(uuid.uuid4())
        assert (await ada.submit(f"{periods}/{name}/propose", {}, form_id=again)).status_code == 303
        await compare(1)
        stopped = await bob.submit(f"{periods}/closes/{again}", {"decision": "approve"})
        assert (stopped.status_code, "cannot close" in text_of(stopped)) == (409, True), "it does not agree any more"
        assert "for ever" not in (await bob.get(periods)).text.split("closes/")[-1]
        assert await closed_until() is None
        await compare()
        approve, apart = {"decision": "approve"}, contextvars.copy_context()
        async with transaction():
            await lock_periods()  # as who proposes does, and meets the proposal next
            deciding = asyncio.create_task(bob.submit(f"{periods}/closes/{again}", approve), context=apart)
            await until_blocked(1)
            await execute("SELECT FROM month_close FOR UPDATE NOWAIT")
        assert (await deciding).status_code == 303
        assert (await bob.submit(f"{periods}/closes/{again}", approve)).status_code == 409
        assert await closed_until() == bounds(month)[1]
        assert (await ada.submit(f"{periods}/{name}/propose", {})).status_code == 409, "a closed month stays closed"
        assert "Every month that is over is closed." in text_of(await ada.get(periods))
    verbs = await fetch_value("SELECT array_agg(verb ORDER BY id) FROM staff_action WHERE verb LIKE 'period%'")
    assert verbs == ["period_close_proposed", "period_close_refused", "period_close_proposed", "period_closed"]
