"""A run paid through Stripe Connect: onboarding, one transfer a person whatever the network does, the books to the cent."""

import asyncio
import datetime as dt
import uuid
from typing import Any
from uuid import uuid4

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict
from marketplace.core.settings import LOCAL_STRIPE_KEY
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.finance.reconciliation.rules import may_write_off
from marketplace.finance.reconciliation.write_offs import propose_write_off
from marketplace.money.ledger.chart import STRIPE, SUBSCRIBERS_IN_TRANSIT, SUBSCRIBERS_PAYABLE
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.balance import mirror_balance
from marketplace.money.payments.outbox import give_up_command, retry_command
from marketplace.money.payments.queries import list_stuck_commands
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.money.payments.transfers import connected_account
from marketplace.oversight.rights.erasing import erase
from marketplace.people.identity.actions import erase_person
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts import bank_details, queries
from tests.people.builders import make_staff, press, visiting, words
from tests.subscribers.builders import payees
from tests.subscribers.builders.payees import fund_balance, paying_through_stripe
from tests.support.reads import fetch, fetch_value


async def send_stripe_run() -> uuid.UUID:
    nora, paul = await make_staff("Nora"), await make_staff("Paul")
    drafted = await payouts.draft(nora, route="stripe")
    assert drafted
    await payouts.approve(drafted, paul, reason="checked")
    await asyncio.gather(*[payouts.send(drafted, one) for one in (nora, paul)])
    return drafted


async def at_once() -> None:
    """Make everything that waits for its time due now."""
    await execute("UPDATE stripe_command SET next_at = $1 WHERE state = 'pending'", clock.now())
    await run_commands()


@pytest.mark.parametrize(
    "fault", [{"kind": "drop_after"}, {"kind": "saved500", "executed": True}, {"kind": "status", "status": 503}]
)
async def test_a_run_through_stripe_transfers_to_each_once(stripe: Any, fault: dict[str, Any]) -> None:
    async with paying_through_stripe(stripe):
        assert await payouts.draft() is None, "who is paid through Stripe is not paid by bank transfer"
        await send_stripe_run()
        stripe.test("fault", path="/v1/transfers", method="POST", **fault)
        await run_commands()
        for _ in range(4):
            await at_once()
        transfers = stripe.list("transfers")
        assert sorted(one["amount"] for one in transfers) == [3333, 3333]
        assert await payouts.follow_transfers() == 2
        assert await payouts.follow_transfers() == 0
        await mirror_balance()
        states = [tuple(row) for row in await fetch("SELECT subscriber, state FROM payout ORDER BY 1")]
        assert states == [(1, "settled"), (2, "settled")]
        assert await fetch_value("SELECT state FROM payout_run") == "settled"
        assert await balance(SUBSCRIBERS_IN_TRANSIT) == 0
        assert await balance(SUBSCRIBERS_PAYABLE) == -(10_000 - 6666)
        there = stripe.client.get(
            f"{stripe.url}/v1/balance", headers={"authorization": f"Bearer {LOCAL_STRIPE_KEY}"}
        ).json()
        sale = 20_000  # the books' own, which no Stripe saw
        assert await balance(STRIPE) == sale + sum(part["amount"] for part in there["available"] + there["pending"])


async def test_a_transfer_that_the_balance_does_not_cover_waits_and_says_so(stripe: Any) -> None:
    """Automatic payouts empty the balance that transfers are made from: that is not the end of a person's payout."""
    async with paying_through_stripe(stripe, funds=4_000):
        run = await send_stripe_run()
        async with visiting(role="finance") as clerk:
            shown = words(await clerk.get(f"/en/finance/payout-runs/{run}"))
            assert "are available at Stripe" in shown
        await run_commands()
        assert await payouts.follow_transfers() == 1
        assert await list_stuck_commands() == [], "ten minutes are no reason to worry"
        with clock.shifted(dt.timedelta(minutes=11)):
            (waiting,) = await list_stuck_commands()
        assert (waiting.verb, waiting.state) == ("transfer", "pending")
        assert waiting.error is not None
        assert waiting.error.startswith("It waits for money: 33.33 EUR to transfer, ")
        assert await fetch_value("SELECT count(*) FROM payout WHERE state = 'failed'") == 0
        await fund_balance(stripe, 5_000)
        await run_commands()
        assert await payouts.follow_transfers() == 0, "it is not tried before its time"
        await at_once()
        assert await payouts.follow_transfers() == 1
        assert sorted(one["amount"] for one in stripe.list("transfers")) == [3333, 3333]
        assert await fetch_value("SELECT state FROM payout_run WHERE id = $1", run) == "settled"
        await mirror_balance()
        assert await balance(SUBSCRIBERS_IN_TRANSIT) == 0


async def test_a_balance_that_was_emptied_just_before_the_call_is_waited_for_under_a_fresh_key(stripe: Any) -> None:
    async with paying_through_stripe(stripe):
        await send_stripe_run()
        fault = {"kind": "status", "status": 400, "code": "balance_insufficient"}
        stripe.test("fault", path="/v1/transfers", method="POST", times=2, **fault)
        await run_commands()
        assert await payouts.follow_transfers() == 0
        assert await fetch_value("SELECT sum(generation) FROM stripe_command WHERE verb = 'transfer'") == 2
        await at_once()
        assert await payouts.follow_transfers() == 2
        assert sorted(one["amount"] for one in stripe.list("transfers")) == [3333, 3333]


async def test_what_stripe_refuses_is_recredited_and_not_tried_again(stripe: Any) -> None:
    async with paying_through_stripe(stripe):
        await send_stripe_run()
        stripe.test("fault", kind="status", status=400, path="/v1/transfers", method="POST")
        await run_commands()
        assert await payouts.follow_transfers() == 2
        rows = await fetch("SELECT state, reason FROM payout ORDER BY state")
        assert [tuple(row) for row in rows] == [("failed", "STRIPE"), ("settled", None)]
        assert await balance(SUBSCRIBERS_PAYABLE) == -(10_000 - 3333)
        failed = await fetch_value("SELECT id FROM payout WHERE state = 'failed'")
        with pytest.raises(Conflict, match="not tried again"):
            await retry_command(failed)
        await mirror_balance()
        assert await balance(SUBSCRIBERS_IN_TRANSIT) == 0


async def test_only_stripes_answer_ends_a_transfer(stripe: Any) -> None:
    async with paying_through_stripe(stripe):
        await send_stripe_run()
        waiting = await fetch_value("SELECT id FROM payout WHERE subscriber = 1")
        with pytest.raises(Conflict, match="only Stripe's answer"):
            await give_up_command(waiting, "Nora", "it takes long")
        assert await payouts.follow_transfers() == 0


async def test_a_subscriber_goes_to_stripe_and_back(stripe: Any) -> None:
    async with paying_through_stripe(stripe):
        await payees.write_bank_details(3)
        async with visiting(3) as lucie:
            answer = await press(lucie, "/earnings/payouts", "/earnings/stripe", status=200)
            assert "Continue at Stripe" in words(answer)
            assert "/c/onboard/acct_" in answer.text
            assert "cannot pay you yet" in words(await lucie.get("/en/earnings/stripe"))
            stripe.test("onboard", account=await connected_account(3))
            assert (await lucie.get("/en/earnings/stripe")).status_code == 303
            shown = words(await lucie.get("/en/earnings/payouts"))
            assert "Your payouts go to your Stripe account." in shown
            assert "no payout goes there before" in shown, "it replaces a bank account"
            await press(lucie, "/earnings/payouts", "/leave")
            assert f"ending in {payees.iban_of(3)[-4:]}" in words(await lucie.get("/en/earnings/payouts"))


async def test_a_first_iban_in_place_of_stripe_waits_like_any_that_replaces(stripe: Any) -> None:
    """A person who takes over the line of someone paid at Stripe must not be quicker than its holder."""
    async with paying_through_stripe(stripe):
        await bank_details.leave_stripe(1)
        await payees.write_bank_details(1, 3)
        usable = "SELECT usable_from > $2 FROM bank_details WHERE subscriber = $1"
        assert await fetch_value(usable, 1, clock.now()), "the line's first IBAN, and not its first way to be paid"
        assert not await fetch_value(usable, 3, clock.now()), "nobody was paid in another way before"
        await payouts.draft()
        assert [row["subscriber"] for row in await fetch("SELECT subscriber FROM payout")] == [3]


@pytest.mark.parametrize("pieces", [(3_333,), (1_000, 2_333), (60, 40)])
async def test_what_is_moved_at_stripe_by_hand_is_recredited_or_named(stripe: Any, pieces: tuple[int, ...]) -> None:
    """Somebody reverses a transfer in Stripe's dashboard, and makes another that no run asked for."""

    async def named() -> list[tuple[str, int]]:
        rows = (await list_exceptions(why="transfer_unasked")).rows
        return [(row.reference, row.amount_minor) for row in rows]

    async with paying_through_stripe(stripe):
        whole = sum(pieces) == 3_333
        await send_stripe_run()
        await run_commands()
        assert await payouts.follow_transfers() == 2
        transfer = await fetch_value("SELECT object_id FROM stripe_command JOIN payout USING (id) WHERE subscriber = 1")
        await mirror_balance()
        assert await named() == []
        for piece in pieces:
            stripe.post(f"transfers/{transfer}/reversals", amount=piece)
        strange = stripe.post("transfers", amount=250, currency="eur", destination=await connected_account(2))
        await mirror_balance()
        await execute("UPDATE balance_transaction SET charge_id = NULL WHERE category = 'transfer_reversal'")
        await mirror_balance()  # a row mirrored before reversals named their transfer learns it
        assert await payouts.follow_transfers() == int(whole)
        assert await payouts.follow_transfers() == 0
        states = [tuple(row) for row in await fetch("SELECT state, reason FROM payout ORDER BY subscriber")]
        assert states == [("failed", "FOCR") if whole else ("settled", None), ("settled", None)]
        assert await payees.balance_of(1) == (33_333_333 if whole else 3_333)
        found = [(strange["id"], -250)]
        assert [one for one in await named() if one[1] < 0] == found
        assert [amount for _, amount in await named() if amount > 0] == ([] if whole else [100])
        assert -await balance(SUBSCRIBERS_IN_TRANSIT) == sum(amount for _, amount in await named())
        for row in (await list_exceptions(why="transfer_unasked")).rows:
            assert may_write_off(row.why, row.amount_minor) == (row.reference == strange["id"])
            if row.amount_minor > 0:
                with pytest.raises(Conflict, match="cannot be written off"):
                    await propose_write_off(
                        row.why, row.subject, await make_staff("Nora"), reason="Ours now.", form_id=uuid4()
                    )
        stripe.post(f"transfers/{strange['id']}/reversals")
        await mirror_balance()
        assert [one for one in await named() if one[0] == strange["id"]] == [], "both ways: nothing moved"


async def test_a_line_has_one_account_at_stripe_even_if_the_first_answer_was_lost(stripe: Any) -> None:
    async with paying_through_stripe(stripe):
        stripe.test("clock", days=15)
        stripe.test("fault", path="/v1/accounts", method="POST", kind="saved500", executed=True)
        with pytest.raises(Conflict, match="does not answer"):
            await connected_account(3)
        for _ in range(3):
            await at_once()
        account = await connected_account(3)
        assert {one["id"] for one in stripe.list("accounts")} >= {account}
        assert len(stripe.list("accounts")) == 3, "one a line"


async def test_the_next_holder_of_a_line_inherits_no_account(stripe: Any) -> None:
    """An erased holder's IBAN and Stripe account are paid no more, and are not the next holder's."""
    async with paying_through_stripe(stripe):
        await payees.write_bank_details(3)
        before = await connected_account(1)
        for line in (1, 3):
            person = await fetch_value(
                """INSERT INTO person (id, email, name, password_hash, language, subscriber, created_at)
                   VALUES (gen_random_uuid(), $1, '', 'x', 'en', $2, now()) RETURNING id""",
                f"{line}@example.org",
                line,
            )
            await erase_person(person)
        assert await payouts.draft() is None
        assert await payouts.draft(route="stripe")
        assert [row["subscriber"] for row in await fetch("SELECT subscriber FROM payout")] == [2]
        assert await fetch_value("SELECT ended_at IS NOT NULL FROM bank_details")
        await payees.claim_lines(1, 3)
        assert await payouts.draft() is None
        seen = [await queries.get_outlook(line, 0, clock.now()) for line in (1, 3)]
        assert [(one.at_stripe, one.details) for one in seen] == [(False, None)] * 2
        assert await queries.list_details(3) == []
        assert await connected_account(1) != before
        assert await connected_account(1) == await connected_account(1)
        await payees.write_bank_details(3)
        assert await payouts.draft() is None, "another holder's first IBAN replaces one, and waits"
        with clock.shifted(dt.timedelta(days=8)):
            assert await payouts.draft()


async def accounts_at(stripe: Any) -> int:
    return len(await asyncio.to_thread(stripe.list, "accounts"))


@pytest.mark.parametrize("fault", [{"kind": "drop_after"}, {"kind": "drop_before"}, {"kind": "status", "status": 503}])
async def test_who_erases_themselves_has_no_account_at_stripe_any_more(stripe: Any, fault: dict[str, Any]) -> None:
    async with paying_through_stripe(stripe), visiting(2) as lucie:
        await connected_account(3)  # of somebody who never went on at Stripe, and stays
        me = await fetch_value("SELECT id FROM person WHERE subscriber = 2")
        await erase(me)
        assert (await lucie.get("/en/earnings")).status_code == 303
        stripe.test("fault", path="/v1/accounts", method="DELETE", **fault)
        for _ in range(3):
            await at_once()
        left = [account["metadata"]["command"] for account in stripe.list("accounts")]
        closed = "SELECT subject::text FROM stripe_command WHERE verb = 'close_account' AND state = 'done'"
        assert (len(left), await fetch_value(closed) in left) == (2, False)
        await erase_again_at_stripe()
        assert await accounts_at(stripe) == 2, "once more, as after a restore, changes nothing"


async def erase_again_at_stripe() -> None:
    """Have the account closed as by a database that was restored to before it was."""
    await execute(
        """UPDATE stripe_command SET state = 'pending', object_id = NULL, first_tried_at = NULL, attempts = 0
           WHERE verb = 'close_account'"""
    )
    await at_once()
    [row] = await fetch("SELECT state, error FROM stripe_command WHERE verb = 'close_account'")
    assert (row["state"], row["error"]) == ("done", None)


async def test_an_account_at_stripe_ends_after_the_last_payout_and_once_it_is_empty(stripe: Any) -> None:
    async with paying_through_stripe(stripe), visiting(1):
        await erase(await fetch_value("SELECT id FROM person WHERE subscriber = 1"), last_payout=True)
        assert await fetch_value("SELECT count(*) FROM stripe_command WHERE verb = 'close_account'") == 0
        await send_stripe_run()
        await run_commands()
        assert await payouts.follow_transfers() == 2
        await bank_details.enforce_details_retention()
        await at_once()
        with clock.shifted(dt.timedelta(days=16)):
            [waiting] = await list_stuck_commands()
        assert waiting.error == "33.33 EUR are in the account: Stripe pays its owner first."
        emptied = await account_of_first(stripe)
        transfer = next(one for one in stripe.list("transfers") if one["destination"] == emptied)
        stripe.post(f"transfers/{transfer['id']}/reversals")  # in the place of Stripe's own payout to its owner
        await at_once()
        assert await accounts_at(stripe) == 1


async def account_of_first(stripe: Any) -> str:
    command = await fetch_value("SELECT subject::text FROM stripe_command WHERE verb = 'close_account'")
    return str(next(one["id"] for one in stripe.list("accounts") if one["metadata"]["command"] == command))
