"""Payouts over HTTP: a subscriber sees threshold and history, finance prepares, approves, sends and imports the answer."""

import datetime as dt
import re
import uuid

import pytest

from marketplace.core import clock
from marketplace.demo.bank import Bank
from marketplace.money.sepa import pain002
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts import queries
from tests.finance.builders.banking import bank_day
from tests.people.builders import make_staff, press, visiting, words
from tests.subscribers.builders import payees
from tests.subscribers.builders.payees import OUR_IBAN, paying_four
from tests.support.reads import fetch_value


async def test_from_bank_details_to_paid() -> None:
    async with paying_four():
        bank = Bank(OUR_IBAN, rejects={payees.iban_of(2): "AC04"})
        await payees.write_bank_details(2)
        async with (
            visiting(1) as lucie,
            visiting(role="finance") as nora,
            visiting(role="finance") as paul,
        ):
            assert "Enough to be paid: tell us where." in words(await lucie.get("/en/earnings"))
            wrong = await press(
                lucie, "/earnings/bank-details", "/bank-details", holder="Lucie", iban="FR76 1234", status=422
            )
            assert "has 27 characters; this one has 8" in words(wrong)
            assert 'value="FR76 1234"' in wrong.text
            await press(lucie, "/earnings/bank-details", "/bank-details", holder="Lucie", iban=payees.iban_of(1))
            assert payees.iban_of(1) not in (await lucie.get("/en/earnings/bank-details")).text
            assert f"•••• {payees.iban_of(1)[-4:]}" in words(await lucie.get("/en/earnings/bank-details"))
            assert "the next payouts are prepared by" in words(await lucie.get("/en/earnings/payouts"))

            shown = words(await nora.get("/en/finance/payout-runs"))
            assert "By SEPA transfer €50.00 2 people" in shown
            assert "Waiting for bank details €50.00 2 people" in shown
            drafted = (await press(nora, "/finance/payout-runs", "/finance/payout-runs")).headers["location"][3:]
            assert "somebody else of finance approves it" in words(await nora.get(f"/en{drafted}"))
            assert "Being prepared" in words(await lucie.get("/en/earnings/payouts"))
            for path, sentence in (("/earnings/bank-details", "They go to"), ("/profile/erase", "It goes to")):
                shown = words(await lucie.get(f"/en{path}"))
                assert f"{sentence} the account ending in {payees.iban_of(1)[-4:]}." in shown, path
                assert "write your bank details first" not in shown
            await press(paul, drafted, "/approve", reason="the sums fit")
            assert (await nora.get(f"/en{drafted}/download")).status_code == 404
            await press(nora, drafted, "/send")
            trail = words(await nora.get("/en/finance/audit?verb=send_payout_run"))
            assert "Payout run of " in trail
            assert drafted.rpartition("/")[2] not in trail, "people know a run by its day"
            assert " : the sums fit" in words(await nora.get(f"/fr{drafted}")), "French puts a space before a colon"
            assert "On its way" in words(await lucie.get("/en/earnings/payouts"))
            file = await paul.get(f"/en{drafted}/download")
            assert "attachment" in file.headers["content-disposition"]
            assert pain002.digest(file.content) == await fetch_value("SELECT file_sha256 FROM payout_run")
            report = bank.submit(file.content)
            await press(paul, drafted, "/answer", files={"file": ("answer.xml", report, "application/xml")})
            shown = words(await paul.get(f"/en{drafted}"))
            assert "AC04: the account is closed" in shown
            assert "Paid out · " not in shown
            await bank_day(bank)
            assert "Paid out · 1 €25.00" in words(await paul.get(f"/en{drafted}"))
            shown = words(await lucie.get("/en/earnings/payouts"))
            assert re.search(r"Paid out by the bank on .* €25\.00", shown), shown
            assert "Yours now €0.00" in shown
            assert "€25.00" in words(await lucie.get("/en/earnings"))
            year = await fetch_value("SELECT extract(year FROM at)::int FROM share_run WHERE kind = 'payout'")
            assert "Paid out" in words(await lucie.get(f"/en/earnings/statements/{year}"))
        async with visiting(2) as bob:
            shown = words(await bob.get("/en/earnings/payouts"))
            assert "Your money is back on your balance: the account is closed (AC04)." in shown
            assert "the account you gave was refused" in shown
            assert "Your bank refused the last payout" in words(await bob.get("/en/earnings/bank-details"))


async def test_a_changed_iban_is_announced_on_every_page_of_theirs() -> None:
    async with paying_four():
        await payees.write_bank_details(1)
        async with visiting(1) as lucie:
            assert "were changed" not in words(await lucie.get("/en/earnings"))
            await press(lucie, "/earnings/bank-details", "/bank-details", holder="Eve", iban=payees.iban_of(9))
            for page in ("/en/earnings", "/en/earnings/payouts"):
                assert f"they now end in {payees.iban_of(9)[-4:]}" in words(await lucie.get(page))
            assert "no payout goes there before" in words(await lucie.get("/en/earnings/bank-details"))
            assert "have rested until" in words(await lucie.get("/en/earnings"))
            later = clock.now() + dt.timedelta(days=8)
            assert (await queries.get_outlook(1, 0, later)).changed is None
            await press(lucie, "/earnings/bank-details", "/remove")
            assert "tell us where" in words(await lucie.get("/en/earnings"))


async def test_the_threshold_is_theirs_to_raise() -> None:
    async with paying_four():
        await payees.write_bank_details(1)
        async with visiting(1) as lucie:
            assert 'value="1.00"' in (await lucie.get("/en/earnings/payouts")).text
            for wrong, sentence in (
                ("ten", "Write an amount"),
                ("0,99", "from 1.00"),
                ("1000.01", "to 1000.00"),
                ("1e3", "Write"),
            ):
                answer = await press(lucie, "/earnings/payouts", "/threshold", euros=wrong, status=422)
                assert sentence in words(answer), wrong
            await press(lucie, "/earnings/payouts", "/threshold", euros="50,5 €")
            shown = words(await lucie.get("/en/earnings/payouts"))
            assert "You are paid from €50.50 on; €25.50 to go." in shown
            assert "Paid from €50.50 your own choice" in shown
            assert await payouts.draft() is None


async def test_who_may_do_what() -> None:
    async with paying_four():
        await payees.write_bank_details(1)
        nora = await make_staff("Nora")
        sent = await payees.draft_and_send(nora=nora, paul=await make_staff("Paul"))
        async with (
            visiting(1) as lucie,
            visiting(role="steward") as steward,
            visiting(role="auditor") as auditor,
        ):
            for path in ("/en/finance/payout-runs", f"/en/finance/payout-runs/{sent}"):
                assert (await lucie.get(path)).status_code == 403
                assert (await steward.get(path)).status_code == 403
                answer = await auditor.get(path)
                assert answer.status_code == 200
                assert "/download" not in answer.text
                assert 'method="post" action="/en/finance' not in answer.text
            for outsider in (lucie, steward, auditor):
                assert (await outsider.get(f"/en/finance/payout-runs/{sent}/download")).status_code == 403
            for path in ("/en/earnings/payouts", "/en/earnings/bank-details"):
                assert (await steward.get(path)).status_code == 403
        async with visiting(2) as bob, visiting(role="finance") as clerk:
            assert "No payout yet." in words(await bob.get("/en/earnings/payouts"))
            assert (await clerk.get(f"/en/finance/payout-runs/{uuid.uuid4()}")).status_code == 404
            page = (await clerk.get(f"/en/finance/payout-runs/{sent}")).text
            assert "Lef" not in page, "names are between a subscriber and the bank"


async def test_the_clocks_draft_on_the_page() -> None:
    async with paying_four():
        await payees.write_bank_details(1)
        drafted = f"/finance/payout-runs/{await payouts.draft_on_time()}"
        async with visiting(role="finance") as nora, visiting(role="finance") as paul:
            assert "The clock drafted this run." in words(await nora.get(f"/en{drafted}"))
            await press(nora, drafted, "/prepare")
            answer = await press(paul, drafted, "/approve", reason="x", status=422)
            assert "Say why" in words(answer)
            await press(paul, drafted, "/cancel", reason="not this month")
            assert "Given up" in words(await nora.get(f"/en{drafted}"))
            assert "not this month" in words(await nora.get(f"/en{drafted}"))


@pytest.mark.parametrize("path", ["/earnings", "/earnings/payouts", "/earnings/bank-details"])
async def test_french_pages_have_no_english_left(path: str) -> None:
    async with paying_four():
        await payees.write_bank_details(1)
        await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
        async with visiting(1) as lucie:
            shown = words(await lucie.get(f"/fr{path}"))
            assert not re.search(r"\b(your|payout|bank|until|account|paid|write|holder)\b", shown.lower()), shown
        async with visiting(role="finance") as nora:
            run_id = await fetch_value("SELECT id FROM payout_run")
            for page in ("", f"/{run_id}"):
                shown = words(await nora.get(f"/fr/finance/payout-runs{page}"))
                assert not re.search(r"\b(run|payouts?|bank|sent|approved|people|draft)\b", shown.lower()), shown
