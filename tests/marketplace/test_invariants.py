"""Every invariant holds of an honest world, and fires on the offence it is there for."""

from __future__ import annotations

import contextlib
import os
import uuid

import pytest

from marketplace.auctions.actions import place_bid
from marketplace.auctions.award import close_auctions
from marketplace.auctions.charge import charge_sales
from marketplace.database import execute, transaction
from marketplace.embedded.bank import Bank
from marketplace.invariants import INVARIANTS, broken
from marketplace.payouts import actions as payouts
from marketplace.settings import settings
from tests.marketplace.auctions.builders import make_bidder, move_end, open_auction
from tests.marketplace.finance import sales
from tests.marketplace.finance.banking import decide_everything
from tests.marketplace.identity.site import make_staff
from tests.marketplace.offences import OFFENCES
from tests.marketplace.payouts import payees
from tests.support.reads import fetch


async def pay_out() -> None:
    """Pay a run whose bank pays two people and refuses one."""
    os.environ |= {"PAYOUT_IBAN": payees.OUR_IBAN, "PAYOUT_THRESHOLD_MINOR": "1"}
    settings.cache_clear()
    await payees.give_details(1, 2, 3)
    sent = await payees.sent(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
    bank = Bank(payees.OUR_IBAN, rejects={payees.iban_of(2): "AC04"})
    assert await payouts.record_answer(sent, bank.submit(await payees.file_of(sent)), None) == 1
    assert await payees.bank_day(bank) == 1


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


async def planted(offence: str) -> list[str]:
    """Return what the sweep says of an offence, and undo it; triggers and checks are off meanwhile."""
    found: list[str] = []
    with contextlib.suppress(UndoneError):
        async with transaction():
            await execute("SET LOCAL ROLE partage")  # the role that serves can do none of this
            guarded = "SELECT DISTINCT tgrelid::regclass::text AS name FROM pg_trigger WHERE NOT tgisinternal"
            for row in await fetch(guarded):
                await execute(f"ALTER TABLE {row['name']} DISABLE TRIGGER USER")
            await execute(offence)
            found = await broken()
            raise UndoneError
    return found


async def test_every_invariant_fires_on_its_offence() -> None:
    assert set(OFFENCES) == set(INVARIANTS), "an invariant without its offence proves nothing"
    await sales.open_shop()
    licences = []
    for _ in range(3):
        order = await sales.make_order()
        await sales.pay_unseen(order)
        licences.append(await sales.settle(order))
        await sales.mirror(order)
    await sales.refund(order)
    await sales.make_order()
    await sales.hold_shares(licences[0])
    await sales.hold_shares(licences[1])
    await sales.release(licences[1])
    await decide_everything()
    await pay_out()
    await plant_auction()
    await promise_later()
    assert await broken() == []
    silent = {}
    for sentence, offences in OFFENCES.items():
        for offence in (offences,) if isinstance(offences, str) else offences:
            found = await planted(offence.replace("{held}", str(licences[0])))
            if not any(line.startswith(f"{sentence}: {{") for line in found):
                silent[offence] = found
    assert silent == {}


@pytest.mark.parametrize("forged", ["", "UPDATE payment SET state = 'open', paid_at = NULL"])
async def test_money_and_entitlement_go_together(forged: str) -> None:
    """A payment not settled yet is on its way; an entitlement whose payment is not paid is an offence."""
    await sales.open_shop()
    order = await sales.make_order()
    await sales.pay_unseen(order)
    assert await broken() == []
    await sales.settle(order)
    if forged:
        found = await planted(forged)
        assert [line for line in found if line.startswith("a paid order has its payment") and str(order) in line]


async def test_an_entry_of_a_transaction_stripe_never_made_is_named() -> None:
    await sales.open_shop()
    order = await sales.make_order()
    await sales.pay_unseen(order)
    await sales.settle(order)
    await sales.mirror(order)
    found = await planted(f"DELETE FROM balance_transaction WHERE id = 'txn_{order}'")
    assert any(f"txn_{order}" in line for line in found)
