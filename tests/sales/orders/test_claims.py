"""Claims over HTTP: shares wait while a claim is open, two people decide, and what is given back cancels them exactly."""

import datetime as dt
import random
import uuid

import html5lib
import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.money.payments.balance import mirror_balance
from marketplace.sales.orders import claim_rules
from marketplace.sales.orders.claim_actions import file_claim, propose
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from tests.people.builders import PASSWORD, Browser, add_staff, make_staff, page_text
from tests.sales.builders.claims import agree_to_claim, claim_form
from tests.sales.builders.shop import jobs, make_buyer, make_sale, open_shop
from tests.subscribers.builders import sales
from tests.support.reads import fetch, fetch_one, fetch_value

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
WRITTEN = {"reason": "wrong_figures", "evidence": "Zone 871f90209ffffff is empty on Sunday."}


async def file(browser: Browser, order: uuid.UUID, claim: uuid.UUID) -> None:
    answer = await browser.submit(f"/en/orders/{order}/claim", WRITTEN, form_id=str(claim))
    assert answer.status_code == 303, page_text(answer)


@pytest.mark.long
@pytest.mark.usefixtures("stripe")
async def test_two_people_decide_and_shares_wait_until_they_did() -> None:
    release = await open_shop()
    partner = await make_buyer()
    await make_buyer("rival")
    await add_staff("nora@partage.example", "Nora", "finance", PASSWORD)
    await add_staff("samir@partage.example", "Samir", "steward", PASSWORD)
    async with Browser() as buyer, Browser() as rival, Browser() as nora, Browser() as samir:
        for browser, email in (
            (buyer, "atelier@partner"),
            (rival, "rival@partner"),
            (nora, "nora@partage"),
            (samir, "samir@partage"),
        ):
            await browser.sign_in(f"{email}.example")
        sold = [await make_sale(buyer, partner, release) for _ in range(3)]
        await mirror_balance()
        part, dismissed, withdrawn = (row["id"] for row in sold)
        path = f"/en/orders/{part}/claim"
        assert "claim" in (await buyer.get(f"/en/orders/{part}")).text
        shown = await buyer.get(f"/fr/orders/{part}/claim")
        html5lib.HTMLParser(strict=True).parse(shown.text)
        assert "Déposer la réclamation" in page_text(shown)
        for field, value, why in (("reason", "odd", "Choose what is wrong"), ("evidence", " x ", "Say what you found")):
            wrong = await buyer.submit(path, WRITTEN | {field: value})
            assert wrong.status_code == 422
            assert why in page_text(wrong)
            assert f'id="{field}-error"' in wrong.text
            assert (WRITTEN["evidence"] in wrong.text) == (field == "reason"), "what was written is kept"
        assert (await rival.get(path)).status_code == 404
        assert (await rival.submit(path, WRITTEN)).status_code == 404
        assert (await rival.submit(f"{path}/withdraw", {})).status_code == 404
        claims = {order: uuid.uuid4() for order in (part, dismissed, withdrawn)}
        for order, claim in claims.items():
            await file(buyer, order, claim)
            await file(buyer, order, claim)
        again = await buyer.submit(path, WRITTEN | {"evidence": "Typed in a second tab.\nTwo lines."})
        assert (again.status_code, "looked at already" in page_text(again)) == (409, True)
        assert ">Typed in a second tab.\nTwo lines.</blockquote>" in again.text, "what was written is kept"
        assert "Being looked at" in page_text(await buyer.get(path))
        waiting = await fetch("SELECT claimed_at IS NOT NULL AND contested_at IS NOT NULL AS waits FROM licence")
        assert waiting == [(True,)] * 3
        assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'claim_filed'") == 3
        await buyer.submit(f"/en/orders/{withdrawn}/claim/withdraw", {})
        await buyer.submit(f"/en/orders/{withdrawn}/claim/withdraw", {})

        assert "Claim to decide" in page_text(await nora.get("/en/finance/desk"))
        listed = await samir.get("/en/staff/claims")
        html5lib.HTMLParser(strict=True).parse(listed.text)
        assert WRITTEN["evidence"] in page_text(listed)
        given = {"claim": str(claims[part]), "proposal": "refund", "amount": "100,00", "answer": "Sunday was lost."}
        for field, value, status in (
            ("proposal", "odd", 422),
            ("amount", "soon", 422),
            ("amount", "999999", 422),
            ("answer", "", 422),
            ("claim", str(uuid.UUID(int=7)), 404),
        ):
            wrong = await samir.submit("/en/staff/claims/propose", given | {field: value})
            assert wrong.status_code == status, field
            assert field == "claim" or f'id="{field}-error"' in wrong.text
        assert (await nora.submit("/en/staff/claims/decide", await claim_form(claims[part]))).status_code == 409
        assert (await samir.submit("/en/staff/claims/propose", given)).status_code == 303
        assert "Sunday was lost" not in page_text(await buyer.get(path)), (
            "what is only proposed is not the partner's to read"
        )
        assert (await samir.submit("/en/staff/claims/decide", await claim_form(claims[part]))).status_code == 403
        await nora.submit("/en/staff/claims/decide", await claim_form(claims[part], "refuse"))
        assert await fetch_value("SELECT proposal FROM claim WHERE id = $1", claims[part]) == ""
        await nora.submit("/en/staff/claims/propose", given)
        seen = await claim_form(claims[part])
        await nora.submit("/en/staff/claims/propose", given | {"amount": "90,00"})
        changed = await samir.submit("/en/staff/claims/decide", seen)
        assert (changed.status_code, "not the document" in page_text(changed)) == (409, True), "proposed anew meanwhile"
        await nora.submit("/en/staff/claims/propose", given)
        assert (await samir.submit("/en/staff/claims/decide", await claim_form(claims[part]))).status_code == 303
        late = await samir.submit("/en/staff/claims/decide", await claim_form(claims[part]))
        assert late.status_code == 410

        held_until = await fetch_value("SELECT hold_until FROM licence WHERE purchase_order = $1", dismissed)
        with clock.shifted(6 * DAY):
            kinds = {row.why for row in (await list_exceptions()).rows}
            assert "claim_waiting" in kinds
            refusal = {"claim": str(claims[dismissed]), "proposal": "dismissed", "answer": "It is as described."}
            for browser, email in ((nora, "nora"), (samir, "samir")):
                await browser.sign_in(f"{email}@partage.example")
            await nora.submit("/en/staff/claims/propose", refusal)
            await samir.submit("/en/staff/claims/decide", await claim_form(claims[dismissed]))
        later = await fetch_value("SELECT hold_until FROM licence WHERE purchase_order = $1", dismissed) - held_until
        assert 6 * DAY <= later < 6 * DAY + HOUR, "the hold's clock stopped meanwhile"
        assert "It is as described" in page_text(await buyer.get(f"/en/orders/{dismissed}/claim"))
        await jobs()
        await mirror_balance()
        await reconcile()
        shown = page_text(await buyer.get(path))
        assert "Sunday was lost." in shown
        assert "€100.00" in shown
        rows = await fetch("SELECT purchase_order, returned_minor > 0, claimed_at, contested_at FROM licence")
        assert {tuple(row) for row in rows} == {
            (part, True, None, None),
            (dismissed, False, None, None),
            (withdrawn, False, None, None),
        }
        row = await fetch_one("SELECT state, returned_minor FROM purchase_order WHERE id = $1", part)
        assert tuple(row or ()) == ("paid", 10_000)
        assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'claim_answered'") == 2
        html5lib.HTMLParser(strict=True).parse((await nora.get("/fr/staff/claims")).text)
        with clock.shifted(40 * DAY):
            await buyer.sign_in("atelier@partner.example")
            late = await buyer.submit(f"/en/orders/{withdrawn}/claim", WRITTEN, seen_at="/en/orders")
            assert (late.status_code, "within 30 days" in page_text(late)) == (409, True)
            assert WRITTEN["evidence"] in page_text(late), "what was written while there was time is not lost"
        with clock.shifted(40 * DAY), pytest.raises(Conflict, match="within"):
            await file_claim(partner, withdrawn, "incomplete", "too late", claim=uuid.uuid4())
        with pytest.raises(Conflict, match="already exists"):
            await file_claim(partner, withdrawn, "incomplete", "anew", claim=claims[part])


def test_what_may_be_claimed_and_proposed() -> None:
    now = clock.now()
    assert claim_rules.check_claim("incomplete", " half ", state="paid", paid_at=now, is_over=False, now=now) == "half"
    for state, is_over in (("lapsed", False), ("paid", True)):
        with pytest.raises(Conflict):
            claim_rules.check_claim("incomplete", "half", state=state, paid_at=now, is_over=is_over, now=now)
    assert claim_rules.check_proposal("dismissed", " no, sorry ", None, 0) == "no, sorry"
    with pytest.raises(Invalid, match="left"):
        claim_rules.check_proposal("refund", "yes", 2, 1)


@pytest.mark.parametrize("seed", range(2))
async def test_books_balance_in_every_case_of_claims_granted_and_dismissed(seed: int) -> None:
    """What waits is released by no month's close; what is granted cancels its part of the shares, and no other's."""
    dice = random.Random(seed)  # noqa: S311 (the same claims each time)
    await sales.write_lines()
    first, second = await make_staff("Samir", "steward"), await make_staff("Nora")
    partner = await fetch_value("SELECT id FROM partner LIMIT 1")
    release = await sales.seal_weights({1: 1, 2: 2, 3: 4})
    licences = [await sales.write_sale(release, dice.randrange(100, 20_000)) for _ in range(5)]
    orders = {licence: await sales.order_of_licence(licence) for licence in licences}
    await execute("UPDATE payment SET received_minor = amount_minor, payment_intent_id = 'pi_' || subject")
    await hold_shares()
    claims = {licence: uuid.uuid4() for licence in dice.sample(licences, 4)}
    for licence, claim in claims.items():
        await file_claim(partner, orders[licence], "incomplete", "half of it", claim=claim)
    kept = next(iter(claims))
    with clock.shifted(20 * DAY):
        assert await sales.close_month() == 1, "what nobody claims is released; the others wait"
        for licence, claim in claims.items():
            if licence == kept:
                continue
            left = await fetch_value("SELECT total_minor FROM purchase_order WHERE id = $1", orders[licence])
            amount = dice.choice([None, left, dice.randrange(1, left)])
            await propose(first, claim, "refund" if amount else "dismissed", "so it is", refund_minor=amount)
            await agree_to_claim(second, claim)
            if amount:
                assert await fetch_value("SELECT contested_at FROM licence WHERE id = $1", licence), (
                    "its refund is on the way"
                )
                await execute("UPDATE stripe_command SET state = 'done' WHERE id = $1", claim)
                await sales.refund_part(licence, amount)
                await execute("UPDATE payment SET state = 'refunded' WHERE refunded_minor = amount_minor")
                await cancel_shares()
                await hold_shares()
        await sales.balances()
        await sales.close_month()
        states = {row["licence"]: row["state"] for row in await fetch("SELECT licence, state FROM licence_split")}
        assert states[kept] == "held", "nobody decided its claim"
        await sales.balances()
