"""Every invariant holds of an honest world, and fires on the offence it is there for."""

import contextlib
import os
import uuid

import pytest

from marketplace.core.database import execute, transaction
from marketplace.core.settings import settings
from marketplace.demo.bank import Bank
from marketplace.oversight.invariants import INVARIANTS, broken
from marketplace.sales.auctions.actions import place_bid
from marketplace.sales.auctions.award import close_auctions
from marketplace.sales.auctions.charge import charge_sales
from marketplace.subscribers.payouts import actions as payouts
from tests.finance.builders import sales
from tests.finance.builders.banking import bank_day, decide_everything
from tests.oversight.offences import OFFENCES
from tests.people.builders import make_staff
from tests.sales.builders.auctions import make_bidder, move_end, open_auction
from tests.subscribers.builders import payees
from tests.subscribers.builders.payees import OUR_IBAN, file_of_run
from tests.support.reads import fetch


async def pay_out_run() -> None:
    """Pay a run whose bank pays two people and refuses one."""
    os.environ |= {"PAYOUT_IBAN": OUR_IBAN, "PAYOUT_THRESHOLD_MINOR": "1"}
    settings.cache_clear()
    await payees.write_bank_details(1, 2, 3)
    sent = await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
    bank = Bank(OUR_IBAN, rejects={payees.iban_of(2): "AC04"})
    assert await payouts.record_answer(sent, bank.submit(await file_of_run(sent)), None) == 1
    assert await bank_day(bank) == 1


async def plant_auction() -> None:
    """Let two partners bid in a live auction to its end."""
    auction = await open_auction()
    for maximum_minor in (5_000, 9_000):
        bidder = await make_bidder()
        await place_bid(bidder.actor, auction, bid=uuid.uuid4(), maximum_minor=maximum_minor)
    await move_end(auction)
    assert await close_auctions() == 1
    assert await charge_sales() == 1


async def promise_later() -> None:
    """Promise a minimum of licences priced from tomorrow on: none honours it yet."""
    term = uuid.uuid4()
    await execute(
        """INSERT INTO contributor_term (id, dataset, promised_minor, starts_at, ends_at)
           SELECT $1, code, 5, now() + interval '1 day', now() + interval '2 days' FROM dataset ORDER BY code LIMIT 1""",
        term,
    )
    await execute("INSERT INTO contributor_promise (term, subscriber, minimum_micro) VALUES ($1, 1, 50000)", term)


class UndoneError(Exception):
    """Ends a transaction whose offence must not stay."""


async def findings_of(*offences: str) -> list[list[str]]:
    """Return what the sweep says of each offence, undone before the next; triggers are off meanwhile."""
    found: list[list[str]] = []
    with contextlib.suppress(UndoneError):
        async with transaction():
            await execute("SET LOCAL ROLE partage")  # the role that serves can do none of this
            guarded = "SELECT DISTINCT tgrelid::regclass::text AS name FROM pg_trigger WHERE NOT tgisinternal"
            for row in await fetch(guarded):
                await execute(f"ALTER TABLE {row['name']} DISABLE TRIGGER USER")
            for offence in offences:
                with contextlib.suppress(UndoneError):
                    async with transaction():
                        await execute(offence)
                        found.append(await broken())
                        raise UndoneError
            raise UndoneError
    return found


@pytest.mark.long
async def test_every_invariant_fires_on_its_offence() -> None:
    assert set(OFFENCES) == set(INVARIANTS), "an invariant without its offence proves nothing"
    await sales.write_shop()
    licences = []
    for _ in range(3):
        order = await sales.write_paid_order()
        licences.append(await sales.write_settled(order))
        await sales.mirror_charge(order)
    await sales.write_refund(order)
    await sales.write_order()
    await sales.hold_shares(licences[0])
    await sales.hold_shares(licences[1])
    await sales.release_shares(licences[1])
    await decide_everything()
    await pay_out_run()
    await plant_auction()
    await promise_later()
    assert await broken() == []
    each = [
        (sentence, offence.replace("{held}", str(licences[0])))
        for sentence, offences in OFFENCES.items()
        for offence in ((offences,) if isinstance(offences, str) else offences)
    ]
    swept = await findings_of(*(offence for _, offence in each))
    assert len(swept) == len(each)
    silent = {
        offence: found
        for (sentence, offence), found in zip(each, swept, strict=True)
        if not any(line.startswith(f"{sentence}: {{") for line in found)
    }
    assert silent == {}


@pytest.mark.parametrize("forged", ["", "UPDATE payment SET state = 'open', paid_at = NULL"])
async def test_money_and_entitlement_go_together(forged: str) -> None:
    """A payment not settled yet is on its way; an entitlement whose payment is not paid is an offence."""
    await sales.write_shop()
    order = await sales.write_paid_order()
    assert await broken() == []
    await sales.write_settled(order)
    if forged:
        [found] = await findings_of(forged)
        assert [line for line in found if line.startswith("a paid order has its payment") and str(order) in line]


async def test_an_entry_of_a_transaction_stripe_never_made_is_named() -> None:
    await sales.write_shop()
    order = await sales.write_sold_order()
    await sales.mirror_charge(order)
    [found] = await findings_of(f"DELETE FROM balance_transaction WHERE id = 'txn_{order}'")
    assert any(f"txn_{order}" in line for line in found)
