"""Who may bid: a vetted partner with a payment method that is still valid, or with a deposit authorised for this auction.

The rule is one SQL function, `bidder_refusal`, which every bid asks in its own transaction; here is how to become
eligible, and what becomes of deposits: released once all winners paid, for who lost may win what another does not pay;
captured where a winner did not pay in time, if the bank still authorises it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.auction_kinds import rules
from marketplace.auctions.forfeits import enter_forfeits
from marketplace.auctions.queries import SQL
from marketplace.auctions.tables import AuctionDeposit
from marketplace.database import fetch_row, fetch_rows, fetch_scalar, transaction
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.locks import lock
from marketplace.messages.actions import send
from marketplace.messages.kinds import deposit_captured, deposit_released
from marketplace.messages.rules import Recipient
from marketplace.payments import actions as payments
from marketplace.payments.events import refresh_payment, refresh_saved_method
from marketplace.payments.stripe_calls import run_command
from marketplace.payments.tables import Payment, SavedMethod
from marketplace.settings import settings

if TYPE_CHECKING:
    from marketplace.identity.actors import Actor

NO_PAYMENT_METHOD: Final = (
    "Bidding needs a way to be paid: save a card or account, or have this auction’s deposit held back on a card."
)
PAGE_LASTS: Final = dt.timedelta(hours=2)
BATCH_SIZE: Final = 200


class AuctionDue(Struct, frozen=True):
    """What an auction asks for as a deposit, and until when it accepts bids."""

    deposit_minor: int
    unsecured_minor: int | None
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
    """A deposit that is to end, with its payment's state."""

    id: uuid.UUID
    amount_minor: int
    state: str
    auction: uuid.UUID
    partner: uuid.UUID
    forfeits_minor: int
    """What its bidder forfeits in that auction, of all its deposits together."""


async def find_refusal(partner: uuid.UUID, auction: uuid.UUID) -> str | None:
    """Return why a partner may not bid in an auction just now, as a key, or None where it may."""
    return await fetch_scalar(str, "SELECT bidder_refusal($1, $2)", partner, auction)


async def find_cover(partner: uuid.UUID, auction: uuid.UUID) -> int | None:
    """Return the most, in cents, that a partner's sealed bid in an auction may be; None where there is no bound."""
    return await fetch_scalar(int, "SELECT bid_cover($1, $2)", partner, auction)


async def email_of(partner: uuid.UUID | None, person: uuid.UUID | None) -> str:
    """Return the address Stripe writes to: the person's who asks, or the company's first one's where a machine does."""
    email = await fetch_scalar(
        str,
        "SELECT email FROM person WHERE partner = $1 ORDER BY id = $2 DESC NULLS LAST, created_at, id LIMIT 1",
        partner,
        person,
    )
    return email or ""


# ------------------------------------------------------------------ a saved method
async def save_method(actor: Actor, *, saved_id: uuid.UUID, return_to: str, locale: str) -> str | None:
    """Ask for the hosted page where a partner saves a card or account; return its address, None while Stripe is silent.

    return_to: the path, without its language, that the page leads to afterwards. locale: fr or en.
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
    """Ask Stripe whether a method is saved by now, for someone who returns from its page."""
    if await SavedMethod.exists().where((SavedMethod.id == saved_id) & (SavedMethod.payer == partner)):
        await refresh_saved_method(saved_id)


async def forget_method(partner: uuid.UUID, saved_id: uuid.UUID) -> None:
    """Forget a saved method; refuse while a bid relies on it, or what was won is still to be paid."""
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
    """Have an auction's deposit held back on a partner's card; return the hosted page's address where one is needed.

    The form's id is the deposit's: sent twice it is one. Another is only asked for once the last one came to nothing, or
    for a larger one: amount_minor is then one of `rules.deposit_bands`, else Invalid.
    locale: fr or en. text: what Stripe's page says the deposit is.
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
    row = await fetch_row(
        AuctionDue,
        """SELECT deposit_minor, unsecured_minor, currency, state, closes_at FROM auction
           JOIN auction_lead ON auction_lead.auction = auction.id WHERE auction.id = $1""",
        auction,
    )
    if row is None:
        raise NotFound("There is no such auction.")
    if row.state != "open" or row.closes_at <= now:
        raise Conflict("This auction accepts no more bids.")
    return row


def _is_over(deposit: DepositRow, closes_at: dt.datetime) -> bool:
    """Return whether a deposit came to nothing, or its bank releases it before the auction ends."""
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
    """Ask Stripe for a deposit's status, for someone who returns from its page."""
    if await AuctionDeposit.exists().where((AuctionDeposit.id == deposit) & (AuctionDeposit.partner == partner)):
        await refresh_payment(deposit)


# ------------------------------------------------------------------ what becomes of deposits
async def end_deposits() -> int:
    """Capture what defaulting winners forfeit of their deposits, release the rest, enter what was captured. Return how many ended."""
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
            kind = deposit_captured.KIND if forfeited else deposit_released.KIND
            await send(kind, row.id, [Recipient("partner", str(row.partner))], auction=str(row.auction))
    await enter_forfeits()
    return len(rows)
