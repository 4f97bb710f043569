"""Who may bid: a vetted partner with a valid payment method, or with a deposit authorised for this auction.

The rule is one SQL function, `bidder_refusal`, which every bid calls in its own transaction. This module makes partners
eligible and ends deposits: they are released once all winners paid, because a loser may still win an unpaid lot; they
are captured if the winner did not pay in time and the bank still authorises it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound, existing
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.core.statements import load_statements
from marketplace.money.payments import actions as payments
from marketplace.money.payments.events import refresh_payment, refresh_saved_method
from marketplace.money.payments.stripe_calls import run_command
from marketplace.money.payments.tables import Payment, SavedMethod
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.sales.auctions import rules
from marketplace.sales.auctions.forfeits import enter_forfeits
from marketplace.sales.auctions.tables import AuctionDeposit
from marketplace.sales.message_kinds import DEPOSIT_CAPTURED, DEPOSIT_RELEASED

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor

SQL: Final = load_statements(__package__, "deposit_queries.sql")
NO_PAYMENT_METHOD: Final = (
    "Bidding needs a way to be paid: save a card or account, or have this auction’s deposit held back on a card."
)
PAGE_LASTS: Final = dt.timedelta(hours=2)
BATCH_SIZE: Final = 200


class AuctionDue(Struct, frozen=True):
    """The deposit that an auction requires, and until when it accepts bids."""

    deposit_minor: int
    unsecured_minor: int
    currency: str
    state: str
    closes_at: dt.datetime


class DepositRow(Struct, frozen=True):
    """A deposit with its payment's state; `capture_before` is when the bank's authorisation ends."""

    id: uuid.UUID
    amount_minor: int
    state: str
    capture_before: dt.datetime | None


class EndingDeposit(Struct, frozen=True):
    """A deposit to end, with its payment's state."""

    id: uuid.UUID
    amount_minor: int
    state: str
    auction: uuid.UUID
    partner: uuid.UUID
    forfeits_minor: int
    """The amount that its bidder forfeits in that auction, over all its deposits."""


async def find_refusal(partner: uuid.UUID, auction: uuid.UUID) -> str | None:
    """Return why a partner may not bid in an auction now, as a key, or None if it may."""
    return await fetch_scalar(str, "SELECT bidder_refusal($1, $2)", partner, auction)


async def find_cover(partner: uuid.UUID, auction: uuid.UUID) -> int:
    """Return the most, in cents, that a partner's sealed bid in an auction may be."""
    covered_minor = await fetch_scalar(int, "SELECT bid_cover($1, $2)", partner, auction)
    assert covered_minor is not None, "every auction says above what a bid needs a deposit"
    return covered_minor


async def email_of(partner: uuid.UUID | None, person: uuid.UUID | None) -> str:
    """Return the address for Stripe's messages: that of the person who asks, or for a machine the first person's."""
    email = await fetch_scalar(
        str,
        "SELECT email FROM person WHERE partner = $1 ORDER BY id = $2 DESC NULLS LAST, created_at, id LIMIT 1",
        partner,
        person,
    )
    return email or ""


# ------------------------------------------------------------------ a saved method
async def save_method(actor: Actor, *, saved_id: uuid.UUID, return_to: str, locale: str) -> str | None:
    """Request the hosted page where a partner saves a card or account; return its address, None while Stripe is silent.

    return_to: the path, without its language, to which the page leads afterwards. locale: fr or en.
    """
    assert actor.partner
    base = f"{settings().url}/{locale}/payment-method"
    await payments.request_saved_method(
        actor.partner,
        saved_id=saved_id,
        email=await email_of(actor.partner, actor.person),
        success_url=f"{base}?saved={saved_id}&back={return_to}",
        cancel_url=f"{base}?back={return_to}",
        locale=locale,
    )
    await run_command(saved_id)
    own = (SavedMethod.id == saved_id) & (SavedMethod.payer == actor.partner)
    return await fetch_scalar(str, SavedMethod.select(SavedMethod.url).where(own))


async def refresh_method(partner: uuid.UUID, saved_id: uuid.UUID) -> None:
    """Ask Stripe whether a method is saved, when its partner returns from the page."""
    if await SavedMethod.exists().where((SavedMethod.id == saved_id) & (SavedMethod.payer == partner)):
        await refresh_saved_method(saved_id)


async def forget_method(partner: uuid.UUID, saved_id: uuid.UUID) -> None:
    """Forget a saved method; refuse while a bid relies on it, or an award is unpaid."""
    async with transaction():
        if await fetch_scalar(bool, SQL["needs_method"], partner, saved_id):
            raise Conflict(
                "You lead, bid under seal, or have yet to pay in an auction: save another payment method first, or wait "
                "until that is over."
            )
    if await payments.request_forgetting(partner, saved_id) is None:
        raise NotFound("There is no such payment method.")


# ------------------------------------------------------------------ a deposit
async def ask_deposit(
    actor: Actor,
    auction: uuid.UUID,
    *,
    deposit: uuid.UUID,
    amount_minor: int | None = None,
    locale: str = "en",
    text: str = "Deposit for an auction",
) -> str | None:
    """Authorise an auction's deposit on a partner's card; return the hosted page's address if one is needed.

    The form's id is the deposit's: a form sent twice makes one deposit. Another deposit is only requested after the
    last one failed, or for a larger amount: amount_minor is then one of `rules.deposit_bands`, else Invalid. locale: fr
    or en. text: the description of the deposit on Stripe's page.
    """
    assert actor.partner
    now, email = clock.now(), await email_of(actor.partner, actor.person)
    page = f"{settings().url}/{locale}/auctions/{auction}"
    async with transaction():
        await lock(f"deposit {auction} {actor.partner}")
        row = await _get_due(auction, now)
        known = await find_deposit(actor.partner, auction)
        wanted = amount_minor or row.deposit_minor
        if wanted not in (row.deposit_minor, *rules.deposit_bands(row.unsecured_minor)):
            raise Invalid("Choose one of the deposits on the page.")
        is_more = known is not None and known.id != deposit and known.amount_minor < wanted
        if known is None or is_more or (known.id != deposit and _is_over(known, row.closes_at)):
            new = AuctionDeposit(id=deposit, auction=auction, partner=actor.partner, amount_minor=wanted, asked_at=now)
            await AuctionDeposit.insert(new).on_conflict(action="DO NOTHING", target=AuctionDeposit.id)
            command = await payments.request_deposit(
                deposit,
                actor.partner,
                amount_minor=wanted,
                currency=row.currency,
                text=text,
                email=email,
                success_url=f"{page}?deposit={deposit}",
                cancel_url=page,
                locale=locale,
                expires_at=now + PAGE_LASTS,
            )
        else:
            deposit, command = known.id, None
    if command:
        await run_command(command)
    is_open = (Payment.subject == deposit) & (Payment.state == "open")
    return await fetch_scalar(str, Payment.select(Payment.checkout_url).where(is_open))


async def _get_due(auction: uuid.UUID, now: dt.datetime) -> AuctionDue:
    row = existing(
        await fetch_row(
            AuctionDue,
            """SELECT deposit_minor, unsecured_minor, currency, state, closes_at FROM auction
           JOIN auction_lead ON auction_lead.auction = auction.id WHERE auction.id = $1""",
            auction,
        ),
        NotFound("There is no such auction."),
    )
    if row.state != "open" or row.closes_at <= now:
        raise Conflict("This auction accepts no more bids.")
    return row


def _is_over(deposit: DepositRow, closes_at: dt.datetime) -> bool:
    """Return whether a deposit failed, or its bank releases it before the auction ends."""
    ends_too_soon = deposit.capture_before is not None and deposit.capture_before <= closes_at
    return deposit.state in ("failed", "expired", "released") or (deposit.state == "authorised" and ends_too_soon)


async def find_deposit(partner: uuid.UUID, auction: uuid.UUID) -> DepositRow | None:
    """Return a partner's latest deposit for an auction with its payment's state, or None."""
    return await fetch_row(
        DepositRow,
        """SELECT deposit.id, deposit.amount_minor, payment.state, payment.capture_before
           FROM auction_deposit AS deposit JOIN payment ON payment.subject = deposit.id
           WHERE deposit.partner = $1 AND deposit.auction = $2 ORDER BY deposit.asked_at DESC, deposit.id LIMIT 1""",
        partner,
        auction,
    )


async def refresh_deposit(partner: uuid.UUID, deposit: uuid.UUID) -> None:
    """Ask Stripe for a deposit's status, when its partner returns from the page."""
    if await AuctionDeposit.exists().where((AuctionDeposit.id == deposit) & (AuctionDeposit.partner == partner)):
        await refresh_payment(deposit)


# ------------------------------------------------------------------ what becomes of deposits
async def end_deposits() -> int:
    """Capture the forfeits of winners who did not pay, release other deposits, enter captured amounts.

    Return how many ended.
    """
    async with transaction():
        rows = await fetch_rows(EndingDeposit, SQL["lock_ending_deposits"], BATCH_SIZE)
        captured: Counter[tuple[uuid.UUID, uuid.UUID]] = Counter()
        for row in rows:
            left = row.forfeits_minor - captured[row.auction, row.partner]
            forfeited = left > 0 and row.state == "authorised"
            if forfeited:
                captured[row.auction, row.partner] += min(row.amount_minor, left)
                await payments.capture_deposit(row.id, amount_minor=min(row.amount_minor, left))
            else:
                await payments.release_deposit(row.id)
            ending = "forfeited" if forfeited else "released"
            await AuctionDeposit.update(
                {AuctionDeposit.ending: ending, AuctionDeposit.ended_at: clock.now()}, force=True
            ).where(AuctionDeposit.id == row.id)
            kind = DEPOSIT_CAPTURED if forfeited else DEPOSIT_RELEASED
            await send(kind, row.id, [Recipient("partner", str(row.partner))], auction=str(row.auction))
    await enter_forfeits()
    return len(rows)
