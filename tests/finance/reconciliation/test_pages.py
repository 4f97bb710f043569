"""Finance's pages: who may read, drill-down both ways, and answers to nonsense."""

import asyncio
import datetime as dt
import re
import uuid
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.web.i18n import language
from marketplace.money.ledger.base_pages import named, written
from marketplace.people.identity.guards import PROOF_LASTS
from tests.finance.builders import sales
from tests.finance.builders.pages import form, signed_in
from tests.support.decisions import approve_waiting, buttons_of
from tests.support.reads import fetch, fetch_value


def links(html: str) -> set[str]:
    return set(re.findall(r'href="(/en/finance[^"]*)"', html.replace("&amp;", "&")))


async def test_only_finance_and_auditors_read() -> None:
    await sales.write_shop()
    paths = ["", "/reconciliation", "/trial-balance", "/journal", "/orders", "/accounts/517000"]
    for role, status in (("finance", 200), ("auditor", 200), ("steward", 403), ("partner", 403), (None, 303)):
        async with await signed_in(role) as visitor:
            assert {(await visitor.get(f"/en/finance{path}")).status_code for path in paths} == {status}, role


@pytest.mark.long
async def test_every_link_leads_somewhere_in_both_languages() -> None:
    await sales.write_shop()
    for _ in range(2):
        order = await sales.write_paid_order()
        licence = await sales.write_settled(order)
        await sales.mirror_charge(order)
        await sales.hold_shares(licence)
    await sales.release_shares(licence)
    await execute("INSERT INTO reconciliation (at, stripe_minor, ledger_minor, unmatched) VALUES (now(), 1, 2, 3)")
    async with await signed_in("finance") as visitor:
        seen, ahead = set(), {"/en/finance"}
        while ahead:
            path = ahead.pop()
            seen.add(path)
            answer = await visitor.get(path, follow_redirects=True)
            assert answer.status_code == 200, path
            assert len(answer.content) < 150 * 1024
            ahead |= links(answer.text) - seen
            french = await visitor.get(path.replace("/en/", "/fr/"), follow_redirects=True)
            assert french.status_code == 200
        kinds = {re.sub(r"[^/a-z?=-]+", "#", path) for path in seen}
        assert {
            "/en/finance/journal/#",
            f"/en/finance/orders/{order}",
            f"/en/finance/licences/{licence}",
        } <= kinds | seen
        assert any(path.startswith("/en/finance/transactions/txn_") for path in seen)
        assert "Balance générale" in (await visitor.get("/fr/finance/trial-balance")).text


NONSENSE = {
    "/finance/journal/999999": 404,
    "/finance/journal/99999999999999999999999": 404,
    "/finance/accounts/1": 404,
    "/finance/orders/00000000-0000-0000-0000-000000000000": 404,
    "/finance/orders/x": 404,
    "/finance/licences/00000000-0000-0000-0000-000000000000": 404,
    "/finance/transactions/x": 404,
    "/finance/journal?since=yesterday": 422,
    "/finance/journal?until=9999-12-31": 422,
    "/finance/journal?account=xx": 404,
    "/finance/journal?kind=zz": 200,
    "/finance/journal?page=999999": 200,
    "/finance/trial-balance?at=2026-13-01": 422,
    "/finance/trial-balance?at=2026-11-01": 200,
    "/finance/reconciliation?show=all": 422,
    "/finance/reconciliation?page=0": 400,
    "/finance/reconciliation?page=x": 400,
    "/finance/orders?number=%25": 200,
}


async def test_nonsense_gets_a_clear_answer() -> None:
    async with await signed_in("auditor") as visitor:
        assert {path: (await visitor.get(f"/en{path}")).status_code for path in NONSENSE} == NONSENSE


async def test_a_clerk_compares_now_and_a_silent_stripe_is_said(stripe: Any) -> None:
    path = "/en/finance/reconciliation"
    stripe.test("fee", amount=300, description="x")
    async with await signed_in("finance") as clerk, await signed_in("auditor") as auditor:
        assert f'action="{path}"' not in (await auditor.get(path)).text
        assert (await auditor.post(path)).status_code == 403
        fields = form((await clerk.get(path)).text, path)
        answer = await clerk.post(path, data=fields)
        assert (answer.status_code, answer.headers["location"]) == (303, path)
        assert "€3.00" in (await clerk.get(path)).text
        stripe.test("fault", kind="status", status=503, path="/v1/balance.*", times=9)
        answer = await clerk.post(path, data=fields)
        assert answer.status_code == 503
        assert "Stripe does not answer" in answer.text


async def test_a_refund_needs_a_clerk_and_a_reason_and_happens_once() -> None:
    await sales.write_shop()
    order = await sales.write_paid_order()
    await execute("UPDATE payment SET payment_intent_id = 'pi_' || subject")
    await sales.write_settled(order)
    page, path = f"/en/finance/orders/{order}", f"/en/finance/orders/{order}/refund"
    async with await signed_in("finance") as clerk, await signed_in("auditor") as auditor:
        assert path not in (await auditor.get(page)).text
        fields = form((await clerk.get(page)).text, path)
        assert (await clerk.post(path, data={**fields, "reason": "  "})).status_code == 422
        assert (await clerk.post(path, data={**fields, "form_id": "x", "reason": "Sold twice"})).status_code == 400
        assert await fetch_value("SELECT count(*) FROM proposal") == 0
        for _ in range(2):
            answer = await clerk.post(path, data={**fields, "reason": "Sold twice"})
            assert (answer.status_code, answer.headers["location"]) == (303, page)
        assert await fetch_value("SELECT count(*) FROM proposal") == 1
        shown = (await clerk.get(page)).text
        assert "Sold twice" in shown
        assert path not in shown
        absent = f"/en/finance/orders/{uuid.uuid4()}/refund"
        fields["form_id"] = str(uuid.uuid4())
        assert (await clerk.post(absent, data={**fields, "reason": "Sold twice"})).status_code == 404


async def test_clerks_who_refund_at_once_refund_once() -> None:
    await sales.write_shop()
    order = await sales.write_paid_order()
    await execute("UPDATE payment SET payment_intent_id = 'pi_' || subject")
    await sales.write_settled(order)
    page, path = f"/en/finance/orders/{order}", f"/en/finance/orders/{order}/refund"
    async with await signed_in("finance") as clerk:
        pages = [await clerk.get(page) for _ in range(6)]
        forms = [form(opened.text, path) | {"reason": "Sold twice"} for opened in pages]
        answers = await asyncio.gather(*[clerk.post(path, data=fields) for fields in forms])
        assert sorted(answer.status_code for answer in answers) == [303] + [409] * 5
        assert await fetch_value("SELECT count(*) FROM proposal") == 1
    assert await fetch_value("SELECT count(*) FROM stripe_command WHERE verb = 'refund'") == 0
    await approve_waiting()
    assert await fetch_value("SELECT count(*) FROM stripe_command WHERE verb = 'refund'") == 1


async def test_a_clerk_alone_refunds_nothing_and_another_decides_exactly_that() -> None:
    await sales.write_shop()
    order = await sales.write_paid_order()
    await execute("UPDATE payment SET payment_intent_id = 'pi_' || subject")
    await sales.write_settled(order)
    refunds = (
        "SELECT coalesce(sum((parameters->>'amount')::bigint), 0)::bigint FROM stripe_command WHERE verb = 'refund'"
    )
    async with await signed_in("finance") as nora, await signed_in("finance") as hugo:
        page, path = f"/en/finance/orders/{order}", f"/en/finance/orders/{order}/refund"
        fields = form((await nora.get(page)).text, path) | {"reason": "A gesture.", "amount": "12,50"}
        assert (await nora.post(path, data=fields)).status_code == 303
        proposal = await fetch_value("SELECT id FROM proposal")
        there, approving = await buttons_of(proposal)
        token = {"_csrf_token": fields["_csrf_token"], "form_id": str(uuid.uuid4())}
        assert (await nora.post(there, data=token | approving)).status_code == 403, "alone"
        assert await fetch_value(refunds) == 0
        shown = form((await hugo.get(page)).text, there)
        wrong = await hugo.post(there, data=shown | approving | {"sha256": "0" * 64})
        assert (wrong.status_code, await fetch_value(refunds)) == (409, 0), "another document than the one shown"
        with clock.shifted(PROOF_LASTS + dt.timedelta(seconds=1)):
            again = await hugo.post(there, data=shown | approving)
        assert "/confirm" in again.headers["location"], "a fresh proof"
        assert await fetch_value(refunds) == 0
        assert (await hugo.post(there, data=shown | approving)).status_code == 303
    assert await fetch_value(refunds) == 1_250
    trail = await fetch("SELECT verb FROM staff_action WHERE verb LIKE 'refund%' ORDER BY id")
    assert [row["verb"] for row in trail] == ["refund_proposed", "refund_approved"]


def test_the_trail_shows_the_parts_of_a_bank_line_in_words_and_euros() -> None:
    before = language.set("en")
    try:
        part = f"order {uuid.UUID(int=7)}"
        shown = {
            named(field): written(field, value)
            for field, value in {"payout po_1abc": 1_250, part: -7, "lines": 3}.items()
        }
        assert shown == {"Payout": "€12.50", "Order": "\N{MINUS SIGN}€0.07", "Lines": "3"}
        assert (named("write_off_proposed"), named("anything_else")) == ("Write-off proposed", "anything else")
    finally:
        language.reset(before)
