"""Being paid, clicked in Chromium: bank details, a run that two people decide, its file at the bank, and paid on both sides."""

import os

import pytest

from marketplace.demo.bank import Bank
from marketplace.subscribers.payouts import actions as payouts
from tests.finance.builders.banking import bank_day
from tests.people.builders import add_staff
from tests.subscribers.builders import payees, sales
from tests.subscribers.builders.payees import OUR_IBAN
from tests.support.browsing import Guest, Visit, open_visit
from tests.support.market import PASSWORD, Market, activate_line, running


async def let_forty_earn(market: Market) -> None:
    """Let forty lines earn different amounts, two people of finance in, and the holders of two lines."""
    await sales.write_lines(range(1, 41), unclaimed=(40, 2))
    for line in (40, 2):
        await activate_line(market, line, f"line-{line}@people.example")
    await payees.earn({line: line for line in range(1, 41)}, 200_000)
    await payees.write_bank_details(*range(3, 41))
    for name in ("nora", "paul"):
        await add_staff(f"{name}@people.example", name.title(), "finance", PASSWORD)


async def keep_picture(guest: Guest, name: str) -> None:
    """Keep pictures where PICTURES says, for people who look."""
    if folder := os.environ.get("PICTURES"):
        await guest.page.screenshot(path=f"{folder}/{name}.png", full_page=True)
        await guest.handset.page.screenshot(path=f"{folder}/{name}-phone.png", full_page=True)


async def sign_in_guest(visit: Visit, email: str) -> Guest:
    guest = await visit.guest()
    await guest.sign_in(email)
    return guest


@pytest.mark.deep
async def test_from_bank_details_to_paid(chromium: str) -> None:
    with payees.paying():
        async with running() as market:
            await let_forty_earn(market)
            bank = Bank(OUR_IBAN, rejects={payees.iban_of(40): "AC04"})
            async with open_visit(chromium, market) as visit:
                lucie, zoe = (
                    await sign_in_guest(visit, "line-2@people.example"),
                    await sign_in_guest(visit, "line-40@people.example"),
                )
                await lucie.go("/earnings")
                await lucie.read("tell us where")
                await keep_picture(lucie, "earnings")
                await lucie.click("Bank details")
                await lucie.press("Save", again_by_address=False, Account_holder="Lucie Martin", IBAN="FR76 3000 6000")
                await lucie.read("27 characters; this one has 12")
                await keep_picture(lucie, "bank-details-wrong")
                await lucie.press("Save", Account_holder="Lucie Martin", IBAN=payees.iban_of(2))
                await lucie.read(f"•••• {payees.iban_of(2)[-4:]}")
                await keep_picture(lucie, "bank-details")
                await lucie.go("/earnings/payouts")
                await keep_picture(lucie, "payouts-before")

                nora, paul = (
                    await sign_in_guest(visit, "nora@people.example"),
                    await sign_in_guest(visit, "paul@people.example"),
                )
                await nora.go("/finance")
                await nora.click("Payout runs")
                await nora.press("Draft a SEPA run")
                await nora.read("somebody else of finance approves it")
                await keep_picture(nora, "run-draft")
                await paul.go("/finance/payout-runs")
                await keep_picture(paul, "runs")
                await paul.click_in_table()
                await keep_picture(paul, "run-to-approve")
                await paul.press("Approve", Reason="The list and its sum were checked")
                await nora.page.reload()
                await nora.press("Send")
                file = await nora.download("Fetch the file")
                await nora.page.set_input_files(
                    "#file", {"name": "answer.xml", "mimeType": "application/xml", "buffer": bank.submit(file)}
                )
                await nora.press("Import the answer")
                await nora.click("Came back")  # the list is paged, and in no order that a test could know
                await nora.read("AC04: the account is closed")
                await keep_picture(nora, "run-answered")
                await lucie.go("/earnings/payouts")
                await lucie.read("On its way")
                await bank_day(bank)
                await nora.page.reload()
                await nora.read("Settled")
                await nora.look()
                await keep_picture(nora, "run-settled")
                await nora.go("/finance/payout-runs")
                await lucie.go("/earnings/payouts")
                await lucie.read("by the bank on")
                await keep_picture(lucie, "payouts")
                await zoe.go("/earnings/payouts")
                await zoe.read("the account is closed (AC04)")
                await keep_picture(zoe, "payouts-failed")
                await zoe.click("Change bank details")
                await zoe.press("Save", Account_holder="Zoe", IBAN=payees.iban_of(77))
                await zoe.go("/earnings")
                await zoe.read("were changed on")
                await keep_picture(zoe, "earnings-changed")
            await market.work()
            assert await payouts.draft() is None
