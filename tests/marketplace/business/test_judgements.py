"""Principal or agent, of each offer: two people say so and why, and what is presented as revenue adds up to the books."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING

import pytest

from marketplace import clock
from marketplace.bookkeeping.trail import list_actions
from marketplace.business.judgements import list_presented, propose_judgement
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.ledger import chart
from marketplace.ledger.queries import balance
from marketplace.web.formats import paris_day
from tests.marketplace.finance import sales
from tests.marketplace.finance.test_pages import signed_in
from tests.marketplace.identity.site import make_staff, text_of
from tests.marketplace.messages.written import kinds_written
from tests.support.reads import fetch_value

if TYPE_CHECKING:
    import httpx

PAGE = "/en/finance/business/roles"
REASONS = {"control": "The operator hosts them.", "risk": "The operator bears it.", "price": "The operator sets it."}


async def sent(visitor: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Send a form of the page."""
    token = re.search(r'name="_csrf_token" value="([^"]+)"', (await visitor.get(PAGE)).text)
    assert token
    return await visitor.post(PAGE + path, data={"_csrf_token": token[1], "form_id": str(uuid.uuid4())} | fields)


async def test_two_people_make_an_offer_an_agents_and_its_revenue_is_shown_net() -> None:
    await sales.open_shop()
    order = await sales.make_order()
    await sales.pay_unseen(order)
    await sales.hold_shares(await sales.settle(order))
    dataset = await fetch_value("SELECT dataset FROM offer")
    year = (paris_day(clock.now()) - dt.timedelta(days=365), paris_day(clock.now()))
    shares = await balance(chart.SUBSCRIBERS_SHARES) + await balance(chart.OPERATOR_SHARE)
    assert shares > 0
    [row] = await list_presented(*year)
    assert (row.role, row.sold_minor, row.shares_minor, row.presented_minor) == (None, sales.NET, shares, sales.NET)
    fields = {"dataset": dataset, "role": "agent", **REASONS}
    async with await signed_in("finance") as ada, await signed_in("finance") as bob, await signed_in("auditor") as eve:
        assert "Principal, until judged" in text_of(await eve.get(PAGE))
        assert (await sent(ada, "", **fields | {"role": "broker"})).status_code == 422
        assert (await sent(ada, "", **fields | {"risk": " "})).status_code == 422
        assert (await sent(ada, "", **fields | {"dataset": "nothing"})).status_code == 404
        form = str(uuid.uuid4())
        assert [(await sent(ada, "", **fields, form_id=form)).status_code for _ in range(2)] == [303, 303], "two clicks"
        assert (await sent(bob, "", **fields)).status_code == 409
        assert (await sent(ada, f"/{form}", decision="approve")).status_code == 403
        [row] = await list_presented(*year)
        assert row.role is None, "nothing is presented by one person alone"
        assert "waits for a second person" in text_of(await eve.get(PAGE))
        assert "Principal or agent to decide" in text_of(await bob.get("/en/finance/desk"))
        assert (await sent(bob, f"/{form}", decision="approve")).status_code == 303
        assert (await sent(bob, f"/{form}", decision="refuse")).status_code == 409
        assert (await sent(bob, f"/{uuid.uuid4()}", decision="refuse")).status_code == 404
        [row] = await list_presented(*year)
        assert (row.role, row.sold_minor, row.presented_minor) == ("agent", sales.NET, sales.NET - shares)
        assert -(await balance(chart.LICENCES_SOLD)) == sales.NET, "the books hold it gross"
        assert "The operator hosts them." in text_of(await eve.get(PAGE))
        assert "Brut ou net" in text_of(await eve.get(PAGE.replace("/en/", "/fr/")))
        file = (await eve.get(f"{PAGE}.csv")).text
        assert f"Agent,{sales.NET / 100:.2f},{shares / 100:.2f},{(sales.NET - shares) / 100:.2f}" in file
        again = str(uuid.uuid4())
        await sent(bob, "", **fields | {"role": "principal"}, form_id=again)
        assert (await sent(ada, f"/{again}", decision="refuse")).status_code == 303
        assert [row.role for row in await list_presented(*year)] == ["agent"], "what was refused changes nothing"
    assert (await kinds_written()).count("judgement_to_decide") == 2
    verbs = [row.verb for row in (await list_actions()).rows if row.verb.startswith("judgement")]
    assert verbs == ["judgement_refused", "judgement_proposed", "judgement_approved", "judgement_proposed"]


async def test_nonsense_is_refused() -> None:
    await sales.open_shop()
    ada, dataset = await make_staff("Ada"), await fetch_value("SELECT dataset FROM offer")
    for role, code, refusal in (("both", dataset, Invalid), ("agent", "x", NotFound)):
        with pytest.raises(refusal):
            await propose_judgement(code, role, ada, **REASONS, form_id=uuid.uuid4())
    await propose_judgement(dataset, "agent", ada, **REASONS, form_id=uuid.uuid4())
    with pytest.raises(Conflict, match="waits already"):
        await propose_judgement(dataset, "agent", ada, **REASONS, form_id=uuid.uuid4())
