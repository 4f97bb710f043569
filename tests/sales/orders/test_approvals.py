"""An order beyond what a colleague may order without approval: asked, shown, approved by its hash, and named on the invoice."""

import json
import re
import uuid

import html5lib
import pytest

from marketplace.core.database import execute
from marketplace.people.identity.ending import set_role
from marketplace.people.spending.rules import BeyondLimit, Spender
from marketplace.sales.orders.actions import order
from tests.people.builders import Browser, add_person, allow, browser_of, page_text, person_of
from tests.sales.builders.shop import ADDRESS, change_billing_of, jobs, make_buyer, make_quote, open_shop, order_of, pay
from tests.support.reads import fetch, fetch_value

WRITTEN = {"reference": "PO 4711"}


async def add_member(partner: uuid.UUID, name: str = "Eve") -> uuid.UUID:
    """Add a member who may order anything, and nothing without approval."""
    member = await add_person(name, partner=partner)
    await execute("UPDATE person SET company_role = 'buyer' WHERE id = $1", member)
    await allow(partner, member, approval_minor=0)
    return member


@pytest.mark.usefixtures("stripe")
async def test_an_administrator_approves_exactly_the_order_and_the_invoice_names_both() -> None:
    release, partner = await open_shop(), await make_buyer()
    await change_billing_of(partner)
    member, claire = await add_member(partner), await person_of("atelier@partner.example")
    quote = await make_quote(partner, release)
    page = f"/en/quotes/{quote}/approval"
    async with await browser_of(member) as hers, await browser_of(claire) as his:
        assert (await hers.get(page)).headers["location"] == f"/en/quotes/{quote}"
        assert "decides about what goes beyond" in page_text(await hers.get(f"/en/quotes/{quote}"))
        for _ in range(2):
            asked = await hers.submit(f"/en/quotes/{quote}/orders", WRITTEN)
            assert (asked.status_code, asked.headers["location"]) == (303, page)
        shown = await hers.get(page)
        assert "waits for an approver" in page_text(shown)
        assert "Approve and order" not in shown.text
        letters = await fetch("SELECT recipient FROM message WHERE kind = 'purchase_to_approve'")
        assert [row["recipient"] for row in letters] == [str(claire)], "once, though asked twice"
        for language in ("en", "fr"):
            for path in (page, "/orders", f"/quotes/{quote}"):
                answer = await his.get(f"/{language}{path.removeprefix('/en')}")
                html5lib.HTMLParser(strict=True).parse(answer.text)
        assert "Waiting for an approver" in page_text(await his.get("/en/orders"))
        assert "Your order number: PO 4711." in page_text(await his.get(page))
        [sha256] = set(re.findall(r'name="sha256" value="([0-9a-f]{64})"', (await his.get(page)).text))
        approve = {"decision": "approve", "sha256": sha256}
        assert (await hers.submit(page, approve)).status_code == 403
        await execute("UPDATE session SET proved_at = now() - interval '1 hour'")
        await his.submit(page, approve)
        assert await fetch_value("SELECT approved FROM purchase_request") is None, "a fresh proof is asked"
        await execute("UPDATE session SET proved_at = now()")
        other = await his.submit(page, approve | {"sha256": "0" * 64})
        assert (other.status_code, "read it again" in page_text(other)) == (409, True)
        done = await his.submit(page, approve)
        made = await order_of(quote)
        assert (done.status_code, done.headers["location"]) == (303, f"/en/orders/{made['id']}")
        paid = await his.submit(f"/en/orders/{made['id']}/pay", {})
        assert (await pay(paid.headers["location"])).status_code == 303
        await jobs()
        bought = page_text(await hers.get(f"/en/orders/{made['id']}"))
        assert "Ordered by Eve. Approved by Claire Martin. Your order number: PO 4711." in bought
        assert "Approved by Claire Martin" in page_text(await hers.get(page))
    buyer = json.loads(await fetch_value("SELECT document FROM invoice"))["buyer"]
    assert (buyer["ordered_by"], buyer["approved_by"], buyer["reference"]) == ("Eve", "Claire Martin", "PO 4711")
    noted = await fetch("SELECT person, verb FROM staff_action WHERE subject = $1 ORDER BY id", str(quote))
    assert [(row["person"], row["verb"]) for row in noted] == [
        (member, "approval_asked"),
        (claire, "purchase_approved"),
    ]
    assert await fetch_value("SELECT recipient FROM message WHERE kind = 'purchase_approved'") == str(member)


@pytest.mark.parametrize("role", ["approver", "accountant", "reader", "buyer"])
@pytest.mark.usefixtures("stripe")
async def test_of_an_administrators_colleagues_only_an_approver_decides(role: str) -> None:
    release, partner = await open_shop(), await make_buyer()
    await change_billing_of(partner)
    member, claire = await add_member(partner), await person_of("atelier@partner.example")
    colleague = await add_person("Max", partner=partner)
    await set_role(partner, colleague, role, by=claire)
    quote = await make_quote(partner, release)
    page = f"/en/quotes/{quote}/approval"
    async with await browser_of(member) as hers, await browser_of(colleague) as his:
        await hers.submit(f"/en/quotes/{quote}/orders", WRITTEN)
        asked = {
            row["recipient"] for row in await fetch("SELECT recipient FROM message WHERE kind = 'purchase_to_approve'")
        }
        assert asked == {str(claire), str(colleague)} - ({str(colleague)} if role != "approver" else set())
        shown = (await his.get(page)).text
        sha256 = await fetch_value("SELECT document_sha256 FROM purchase_request")
        done = await his.submit(page, {"decision": "approve", "sha256": sha256})
        ordered = await fetch_value("SELECT count(*) FROM purchase_order")
    if role == "approver":
        assert ("Approve and order" in shown, done.status_code, ordered) == (True, 303, 1)
    else:
        assert ("Approve and order" in shown, done.status_code, ordered) == (False, 403, 0)


@pytest.mark.usefixtures("stripe")
async def test_a_refused_order_stays_refused_with_another_reference_too() -> None:
    release, partner = await open_shop(), await make_buyer()
    await change_billing_of(partner)
    member, claire = await add_member(partner), await person_of("atelier@partner.example")
    quote = await make_quote(partner, release)
    async with await browser_of(member) as hers, await browser_of(claire) as his:
        await hers.submit(f"/en/quotes/{quote}/orders", WRITTEN)
        sha256 = await fetch_value("SELECT document_sha256 FROM purchase_request")
        page = f"/en/quotes/{quote}/approval"
        refused = await his.submit(page, {"decision": "refuse", "sha256": sha256})
        assert (refused.status_code, refused.headers["location"]) == (303, page)
        assert (await his.submit(page, {"decision": "approve", "sha256": sha256})).status_code == 409
        for reference in ("PO 4711", "PO 4712"):
            again = await hers.submit(f"/en/quotes/{quote}/orders", {"reference": reference})
            assert (again.status_code, "refused this order" in page_text(again)) == (403, True)
        assert "Refused by Claire Martin" in page_text(await hers.get(page))
    assert await fetch_value("SELECT count(*) FROM purchase_order") == 0
    assert await fetch_value("SELECT recipient FROM message WHERE kind = 'purchase_refused'") == str(member)


@pytest.mark.usefixtures("stripe")
async def test_a_company_without_another_approver_reads_so_and_nothing_is_asked() -> None:
    release, partner = await open_shop(), await make_buyer()
    claire = await person_of("atelier@partner.example")
    await allow(partner, claire, approval_minor=0)
    quote = await make_quote(partner, release)
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        answer = await browser.submit(f"/en/quotes/{quote}/orders", ADDRESS)
        assert (answer.status_code, "second approver" in page_text(answer)) == (403, True)
    with pytest.raises(BeyondLimit, match="second approver"):
        await order(partner, quote, by=Spender(partner, claire), order_id=uuid.uuid4(), email="a@b.example")
    assert await fetch_value("SELECT count(*) FROM purchase_request") == 0
