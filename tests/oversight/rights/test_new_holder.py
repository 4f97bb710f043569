"""A line that changed hands: its new holder has the money it earned, and reads nothing of who had it before."""

import json
import re
import uuid
import zipfile

from marketplace.consent.purposes import actions as consent
from marketplace.consent.switches.actions import pause
from marketplace.consent.switches.queries import find_pause
from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.web.formats import paris_day
from marketplace.oversight.rights.copies import write_copy
from marketplace.oversight.rights.erasing import erase
from marketplace.people.identity import actions as identity
from marketplace.people.mail import actions as mail
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.sales.auctions import reverse_actions as asks
from marketplace.sales.auctions.reverse_queries import list_auctions
from marketplace.subscribers.earnings.queries import list_shares
from marketplace.subscribers.message_kinds import PAYOUT_SENT
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.rewards import actions as rewards
from marketplace.subscribers.rewards.queries import get_due, list_gifts_of_year
from tests.oversight.builders import EMAIL, IBAN, LINE, somebody
from tests.people.builders import PASSWORD, Browser, make_staff, page_text
from tests.sales.builders.auctions import end_reverse_auction, open_reverse_auction
from tests.subscribers.builders import payees, sales
from tests.support.reads import fetch, fetch_one, fetch_value


async def test_a_new_holder_reads_no_release_receipt_or_payout_of_the_former_one() -> None:
    async with somebody() as zoe:
        [share] = (await list_shares(LINE)).rows
        receipt = await fetch_value("SELECT receipt FROM consent_record WHERE subscriber = $1", LINE)
        year = paris_day(share.sold_at).year
        await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
        assert "Your bank details changed" in page_text(await zoe.browser.get("/en/inbox"))
        paths = [
            "/earnings",
            "/earnings/shares",
            "/earnings/payouts",
            f"/earnings/statements/{year}",
            "/consent",
            "/welcome",
        ]
        theirs = [f"/earnings/shares/{share.id}", f"/consent/receipts/{receipt}", f"/consent/receipts/{receipt}.json"]
        seen = [await zoe.browser.get(f"/en{path}") for path in paths]
        marks = (share.title_en, str(share.id), str(receipt))
        account = re.compile(rf"\b{IBAN[-4:]}\b")  # as a word of the page: a token in its markup may hold these signs
        assert all(any(mark in answer.text for answer in seen) for mark in marks), "the former holder reads them"
        assert any(account.search(page_text(answer)) for answer in seen)
        assert {(await zoe.browser.get(f"/en{path}")).status_code for path in theirs} == {200}
        await erase(zoe.id)
        [(_, code)] = await identity.issue_activation_codes([LINE])
        await identity.claim_line(LINE, code, email="an@heir.example", name="Ann", password=PASSWORD)
        async with Browser() as heir:
            await heir.sign_in("an@heir.example")
            async with transaction():
                await send(PAYOUT_SENT, "theirs", [Recipient("line", str(LINE))])
            inbox = await heir.get("/en/inbox")
            assert re.findall(r"Messages\W+(\d+)", page_text(inbox))[:1] == ["1"], "the only one to count"
            assert "Your payout has arrived" in page_text(inbox)
            assert "bank details" not in page_text(inbox), "a message to a line is for who holds it then"
            pages = {path: await heir.get(f"/en{path}") for path in paths}
            assert {answer.status_code for answer in pages.values()} == {200}
            found = [f"{path}: {mark}" for path, answer in pages.items() for mark in marks if mark in answer.text]
            assert not found
            assert not [path for path, answer in pages.items() if account.search(page_text(answer))]
            assert "Somebody else had this line before you." in page_text(pages["/earnings/shares"])
            assert "No payout yet." in page_text(pages["/earnings/payouts"])
            assert {(await heir.get(f"/en{path}")).status_code for path in theirs} == {404}
            await heir.submit("/en/consent", {"purpose": sales.PURPOSE, "word": "give"})
            assert "/en/consent/receipts/" in (await heir.get("/en/consent")).text, (
                "their own receipt is theirs to read"
            )


async def test_a_new_holder_gets_no_message_or_copy_of_the_former_ones_last_payout() -> None:
    async with somebody() as zoe:
        async with transaction():
            await send(PAYOUT_SENT, "hers", [Recipient("line", str(LINE))])  # no worker has seen to its letter yet
        await erase(zoe.id, last_payout=True)
        await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
        [(_, code)] = await identity.issue_activation_codes([LINE])
        heir = await identity.claim_line(LINE, code, email="an@heir.example", name="Ann", password=PASSWORD)
        await execute("UPDATE person SET email_confirmed_at = created_at WHERE id = $1", heir)
        await mail.send_mail()
        assert EMAIL in [to for _, to, _ in zoe.office.letters], "her goodbye"
        assert not [letter["Subject"] for _, to, letter in zoe.office.letters if to == "an@heir.example"]
        payout = await fetch_value("SELECT id FROM payout WHERE subscriber = $1", LINE)
        assert await payouts.settle([payout], clock.now()) == 1
        assert await payouts.recredit_returned({payout: "AC04"}, clock.now()) == 1
        written = await fetch(
            "SELECT kind FROM message WHERE audience = 'line' AND recipient = $1 AND source_id <> 'hers'", str(LINE)
        )
        assert not {"payout_sent", "payout_refused"} & {row["kind"] for row in written}
        assert str(payout) not in await lists_copied(heir, "payout")


async def test_a_new_holder_learns_nothing_of_the_former_ones_gifts_and_gives_nothing_for_them() -> None:
    """A gift says what somebody believes in: neither pages nor receipt nor copy show it, and the choice ends with its holder."""
    async with somebody() as zoe:
        nora = await make_staff("Nora")
        await rewards.list_association(
            "sea-rescue", name="Sauvetage en mer", iban="FR7630006000011234567890189", actor=nora
        )
        await rewards.choose(LINE, "gift", "sea-rescue")
        assert await rewards.make_run("gift", uuid.uuid4(), nora) == 1
        year = paris_day(clock.now()).year
        paths = ["/earnings/rewards", f"/earnings/rewards/gifts/{year}"]
        assert (await zoe.browser.get(f"/en{paths[1]}")).status_code == 200
        assert "Sauvetage en mer" in (await zoe.browser.get("/en/earnings/rewards")).text
        assert "sea-rescue" in await lists_copied(zoe.id)
        choice = await fetch_one("SELECT * FROM payout_choice")
        assert choice
        await erase(zoe.id)
        [(_, code)] = await identity.issue_activation_codes([LINE])
        heir_id = await identity.claim_line(LINE, code, email="an@heir.example", name="Ann", password=PASSWORD)
        await execute(
            "INSERT INTO payout_choice (subscriber, threshold_minor, chosen_at, is_last, way, gift_to) "
            "VALUES ($1, 0, $2, false, 'gift', 'sea-rescue')",
            LINE,
            choice["chosen_at"],
        )  # as if the job that ends former holders' choices had not run yet
        await payees.earn({1: 1})
        assert (await get_due("gift")).people == 0, "an heir's money is the heir's"
        async with Browser() as heir:
            await heir.sign_in("an@heir.example")
            answer = await heir.get("/en/earnings/rewards")
            assert "Your gifts of" not in page_text(answer)
            assert re.search(r'value="bank" +checked', answer.text)
            assert (await heir.get(f"/en/earnings/rewards/gifts/{year}")).status_code == 404
        assert "sea-rescue" not in await lists_copied(heir_id)
        assert not await list_gifts_of_year(LINE, year)


async def lists_copied(person: uuid.UUID, of: str = "reward") -> str:
    """Return what the copy of a person's data says of lists whose name has `of` in it."""
    with await write_copy(person) as file, zipfile.ZipFile(file) as made:
        lists = json.loads(made.read("data.json"))["lists"]
        return json.dumps({name: rows for name, rows in lists.items() if of in name})


async def test_a_new_holder_is_bound_by_no_ask_and_in_no_pause_of_the_former_one() -> None:
    line, asks_began = 3, clock.now()
    over, [stratum] = await open_reverse_auction()
    [(_, code)] = await identity.issue_activation_codes([line])
    zoe = await identity.claim_line(line, code, email="zoe@nulle-part.example", name="Zoé", password=PASSWORD)
    await asks.ask(line, over, stratum, least_micro=1_000_000)
    await end_reverse_auction(over)
    call, [stratum] = await open_reverse_auction()
    await asks.ask(line, call, stratum, least_micro=1_000_000)
    purpose = await fetch_value("SELECT purpose FROM dataset")
    await consent.publish_notice(purpose, text_fr="On compte.", text_en="We count.", at=asks_began)
    await consent.give(line, purpose)
    assert await pause(line, uuid.uuid4()) == 1
    assert await find_pause(line)
    await erase(zoe)
    asked = await fetch("SELECT auction, length(sealed) AS size, withdrawn_at FROM reverse_auction_ask")
    assert [row["auction"] for row in asked if row["withdrawn_at"] is None] == [over], "what is over is counted"
    assert {row["size"] for row in asked if row["auction"] == call} == {0}
    [(_, code)] = await identity.issue_activation_codes([line])
    await identity.claim_line(line, code, email="an@heir.example", name="Ann", password=PASSWORD)
    assert await find_pause(line) is None
    assert [one.own for one in (await list_auctions(line, 1)).rows] == [None, None]
