"""A line that changed hands: its new holder has the money it earned, and reads nothing of who had it before."""

from __future__ import annotations

from marketplace.earnings.queries import list_shares
from marketplace.identity import actions as identity
from marketplace.rights.erasing import erase
from tests.marketplace.earnings import sales
from tests.marketplace.identity.site import PASSWORD, Browser, make_staff, text_of
from tests.marketplace.payouts import payees
from tests.marketplace.rights.people import IBAN, LINE, somebody
from tests.support.reads import fetch_value


async def test_a_new_holder_reads_no_release_receipt_or_payout_of_the_former_one() -> None:
    async with somebody() as zoe:
        [share] = (await list_shares(LINE)).rows
        receipt = await fetch_value("SELECT receipt FROM consent_record WHERE subscriber = $1", LINE)
        year = share.sold_at.year
        await payees.sent(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
        paths = ["/earnings", "/earnings/payouts", f"/earnings/statements/{year}", "/consent", "/welcome"]
        theirs = [f"/earnings/shares/{share.id}", f"/consent/receipts/{receipt}", f"/consent/receipts/{receipt}.json"]
        seen = "".join([(await zoe.browser.get(f"/en{path}")).text for path in paths])
        marks = (share.title_en, str(share.id), str(receipt), IBAN[-4:])
        assert all(mark in seen for mark in marks), "the former holder reads them"
        assert {(await zoe.browser.get(f"/en{path}")).status_code for path in theirs} == {200}
        await erase(zoe.id)
        [(_, code)] = await identity.issue_activation_codes([LINE])
        await identity.claim_line(LINE, code, email="an@heir.example", name="Ann", password=PASSWORD)
        async with Browser() as heir:
            await heir.sign_in("an@heir.example")
            pages = {path: await heir.get(f"/en{path}") for path in paths}
            assert {answer.status_code for answer in pages.values()} == {200}
            found = [f"{path}: {mark}" for path, answer in pages.items() for mark in marks if mark in answer.text]
            assert not found
            assert "Somebody else had this line before you." in text_of(pages["/earnings"])
            assert "No payout yet." in text_of(pages["/earnings/payouts"])
            assert {(await heir.get(f"/en{path}")).status_code for path in theirs} == {404}
            await heir.submit("/en/consent", {"purpose": sales.PURPOSE, "word": "give"})
            assert "/en/consent/receipts/" in (await heir.get("/en/consent")).text, (
                "their own receipt is theirs to read"
            )
