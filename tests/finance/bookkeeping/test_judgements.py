"""Principal or agent, of each offer: two people say so and why, and what is presented as revenue adds up to the books."""

import datetime as dt
import re
import uuid

import httpx
import pytest

from marketplace.core import clock
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.web.formats import paris_day
from marketplace.finance.bookkeeping.judgements import list_presented, propose_judgement
from marketplace.finance.bookkeeping.trail import list_actions
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from tests.finance.builders import sales
from tests.finance.builders.pages import signed_in
from tests.people.builders import kinds_written, make_staff, page_text
from tests.support.decisions import buttons_of
from tests.support.reads import fetch_value

PAGE = "/en/finance/business/roles"
REASONS = {"control": "The operator hosts them.", "risk": "The operator bears it.", "price": "The operator sets it."}


async def send_judgement(visitor: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Send a form of the page."""
    token = re.search(r'name="_csrf_token" value="([^"]+)"', (await visitor.get(PAGE)).text)
    assert token
    return await visitor.post(path or PAGE, data={"_csrf_token": token[1], "form_id": str(uuid.uuid4())} | fields)


async def test_two_people_make_an_offer_an_agents_and_its_revenue_is_shown_net() -> None:
    await sales.write_shop()
    order = await sales.write_paid_order()
    await sales.hold_shares(await sales.write_settled(order))
    dataset = await fetch_value("SELECT dataset FROM offer")
    year = (paris_day(clock.now()) - dt.timedelta(days=365), paris_day(clock.now()))
    shares = await balance(chart.SUBSCRIBERS_SHARES) + await balance(chart.OPERATOR_SHARE)
    assert shares > 0
    [row] = await list_presented(*year)
    assert (row.role, row.sold_minor, row.shares_minor, row.presented_minor) == (None, sales.NET, shares, sales.NET)
    fields = {"dataset": dataset, "role": "agent", **REASONS}
    async with await signed_in("finance") as ada, await signed_in("finance") as bob, await signed_in("auditor") as eve:
        assert "Principal, until judged" in page_text(await eve.get(PAGE))
        assert (await send_judgement(ada, "", **fields | {"role": "broker"})).status_code == 422
        assert (await send_judgement(ada, "", **fields | {"risk": " "})).status_code == 422
        assert (await send_judgement(ada, "", **fields | {"dataset": "nothing"})).status_code == 404
        form = str(uuid.uuid4())
        assert [(await send_judgement(ada, "", **fields, form_id=form)).status_code for _ in range(2)] == [303, 303], (
            "two clicks"
        )
        assert (await send_judgement(bob, "", **fields)).status_code == 409
        decision, approve = await buttons_of(form)
        assert (await send_judgement(ada, decision, **approve)).status_code == 403
        [row] = await list_presented(*year)
        assert row.role is None, "nothing is presented by one person alone"
        assert "waits for a second person" in page_text(await eve.get(PAGE))
        assert "Principal or agent to decide" in page_text(await bob.get("/en/finance/desk"))
        assert (await send_judgement(bob, decision, **approve)).status_code == 303
        assert (await send_judgement(bob, decision, **approve | {"decision": "refuse"})).status_code == 409
        assert (await send_judgement(bob, f"/en/finance/decisions/{uuid.uuid4()}", **approve)).status_code == 404
        [row] = await list_presented(*year)
        assert (row.role, row.sold_minor, row.presented_minor) == ("agent", sales.NET, sales.NET - shares)
        assert -(await balance(chart.LICENCES_SOLD)) == sales.NET, "the books hold it gross"
        assert "The operator hosts them." in page_text(await eve.get("/en/finance/decisions?kind=judgement"))
        assert "Brut ou net" in page_text(await eve.get(PAGE.replace("/en/", "/fr/")))
        file = (await eve.get(f"{PAGE}.csv")).text
        assert f"Agent,{sales.NET / 100:.2f},{shares / 100:.2f},{(sales.NET - shares) / 100:.2f}" in file
        again = str(uuid.uuid4())
        await send_judgement(bob, "", **fields | {"role": "principal"}, form_id=again)
        decision, approve = await buttons_of(again)
        assert (await send_judgement(ada, decision, **approve | {"decision": "refuse"})).status_code == 303
        assert [row.role for row in await list_presented(*year)] == ["agent"], "what was refused changes nothing"
    assert (await kinds_written()).count("proposal_to_decide") == 2
    verbs = [row.verb for row in (await list_actions()).rows if row.verb.startswith("judgement")]
    assert verbs == ["judgement_refused", "judgement_proposed", "judgement_approved", "judgement_proposed"]


async def test_nonsense_is_refused() -> None:
    await sales.write_shop()
    ada, dataset = await make_staff("Ada"), await fetch_value("SELECT dataset FROM offer")
    for role, code, refusal in (("both", dataset, Invalid), ("agent", "x", NotFound)):
        with pytest.raises(refusal):
            await propose_judgement(code, role, ada, **REASONS, form_id=uuid.uuid4())
    await propose_judgement(dataset, "agent", ada, **REASONS, form_id=uuid.uuid4())
    with pytest.raises(Conflict, match="waits already"):
        await propose_judgement(dataset, "agent", ada, **REASONS, form_id=uuid.uuid4())
