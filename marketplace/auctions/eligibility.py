"""Who may bid: a vetted partner with a payment method that is still valid, or with a deposit held back for this auction.

The rule is one SQL function, `bidder_refusal`, which every bid asks in its own transaction; here is how to become
eligible, and what becomes of deposits: let go when the award is out, to whoever lost or once they paid; taken where a
winner did not pay in time, if the bank still holds it back.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from marketplace import clock
from marketplace.database import execute, fetch, fetch_one, fetch_value, lock, transaction
from marketplace.errors import Conflict, NotFound
from marketplace.ledger import chart
from marketplace.ledger.actions import Entry, record_all
from marketplace.payments import actions as payments
from marketplace.payments.events import refresh_payment, refresh_saved_method
from marketplace.payments.stripe_calls import run_command
from marketplace.settings import settings
from marketplace.web.i18n import gettext, language

if TYPE_CHECKING:
    import uuid

    import asyncpg

    from marketplace.identity.actors import Actor

NO_PAYMENT_METHOD: Final = (
    "Bidding needs a way to be paid: save a card or account, or have this auction’s deposit held back on a card."
)
PAGE_LASTS: Final = dt.timedelta(hours=2)
AT_ONCE: Final = 200


async def find_refusal(partner: uuid.UUID, auction: uuid.UUID) -> str | None:
    """Return why a partner may not bid in an auction just now, as a key, or None where it may."""
    refusal: str | None = await fetch_value("SELECT bidder_refusal($1, $2)", partner, auction)
    return refusal


async def _email(actor: Actor) -> str:
    """Return whom Stripe writes to: who asks, or the company's first person where a machine does."""
    email: str | None = await fetch_value(
        "SELECT email FROM person WHERE partner = $1 ORDER BY id = $2 DESC NULLS LAST, created_at, id LIMIT 1",
        actor.partner, actor.person,
    )  # fmt: skip
    return email or ""


# ------------------------------------------------------------------ a saved method
async def save_method(actor: Actor, *, saved_id: uuid.UUID, back_to: str) -> str | None:
    """Ask for the hosted page where a partner saves a card or account; return its address, None while Stripe is silent.

    back_to: the path, without its language, that the page leads back to.
    """
    assert actor.partner
    base = f"{settings().url}/{language.get()}/payment-method"
    await payments.request_saved_method(
        actor.partner, saved_id=saved_id, email=await _email(actor), success_url=f"{base}?saved={saved_id}&back={back_to}",
        cancel_url=f"{base}?back={back_to}", locale=language.get(),
    )  # fmt: skip
    await run_command(saved_id)
    url: str | None = await fetch_value(
        "SELECT url FROM saved_method WHERE id = $1 AND payer = $2", saved_id, actor.partner
    )
    return url


async def look_for_method(partner: uuid.UUID, saved_id: uuid.UUID) -> None:
    """Ask Stripe whether a method is saved by now, for someone who comes back from its page."""
    if await fetch_value("SELECT true FROM saved_method WHERE id = $1 AND payer = $2", saved_id, partner):
        await refresh_saved_method(saved_id)


STANDS_ON_METHOD: Final = """
SELECT true WHERE EXISTS (
    SELECT FROM saved_method WHERE id = $2 AND payer = $1 AND state = 'saved'
) AND NOT EXISTS (
    SELECT FROM saved_method WHERE id <> $2 AND payer = $1 AND state = 'saved'
                               AND (ends_on IS NULL OR ends_on > (clock_timestamp() AT TIME ZONE 'UTC')::date)
) AND (EXISTS (
    SELECT FROM bid JOIN auction ON auction.id = bid.auction JOIN auction_lead AS lead ON lead.auction = auction.id
    WHERE bid.partner = $1 AND bid.position IS NOT NULL AND auction.state IN ('standing', 'closed')
      AND (auction.kind <> 'ascending' OR lead.leader = $1)
) OR EXISTS (
    SELECT FROM auction_outcome AS outcome JOIN auction_sale AS sale ON sale.outcome = outcome.id
    WHERE outcome.partner = $1 AND sale.state = 'due'
))
"""
"""Whether a partner ($1) bids, or owes, with nothing but this method ($2) to be charged."""


async def forget_method(partner: uuid.UUID, saved_id: uuid.UUID) -> None:
    """Forget a saved method; refuse while it is what a bid stands on, or what was won is still to be paid."""
    async with transaction():
        if await fetch_value(STANDS_ON_METHOD, partner, saved_id):
            raise Conflict(
                "You lead, bid under seal, or have yet to pay in an auction: save another payment method first, or wait until that is over."
            )
    if await payments.request_forgetting(partner, saved_id) is None:
        raise NotFound("There is no such payment method.")


# ------------------------------------------------------------------ a deposit
async def ask_deposit(actor: Actor, auction: uuid.UUID, *, deposit: uuid.UUID) -> str | None:
    """Have an auction's deposit held back on a partner's card; return the hosted page's address where one is needed.

    The form's id is the deposit's: sent twice it is one. Another is only asked for once the last one came to nothing.
    """
    assert actor.partner
    now, email = clock.now(), await _email(actor)
    page = f"{settings().url}/{language.get()}/auctions/{auction}"
    async with transaction():
        await lock(f"deposit {auction} {actor.partner}")
        row = await fetch_one(
            """SELECT auction.id, deposit_minor, currency, state, closes_at FROM auction
               JOIN auction_lead ON auction_lead.auction = auction.id WHERE auction.id = $1""",
            auction,
        )
        if row is None:
            raise NotFound("There is no such auction.")
        if row["state"] != "standing" or row["closes_at"] <= now:
            raise Conflict("This auction takes no more bids.")
        known = await find_deposit(actor.partner, auction)
        is_over = known is not None and (
            known["state"] in ("failed", "expired", "released")
            # Its bank lets it go before the auction ends: it is of no use any more.
            or (known["state"] == "authorised" and known["capture_before"] <= row["closes_at"])
        )
        if known is None or (known["id"] != deposit and is_over):
            await execute(
                """INSERT INTO auction_deposit (id, auction, partner, amount_minor, asked_at) VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (id) DO NOTHING""",
                deposit, auction, actor.partner, row["deposit_minor"], now,
            )  # fmt: skip
            command = await payments.request_deposit(
                deposit, actor.partner, amount_minor=row["deposit_minor"], currency=row["currency"],
                text=gettext("Deposit for an auction"), email=email, success_url=f"{page}?deposit={deposit}", cancel_url=page,
                locale=language.get(), expires_at=now + PAGE_LASTS,
            )  # fmt: skip
        else:
            deposit, command = known["id"], None
    if command:
        await run_command(command)
    url: str | None = await fetch_value(
        "SELECT checkout_url FROM payment WHERE subject = $1 AND state = 'open'", deposit
    )
    return url


async def find_deposit(partner: uuid.UUID, auction: uuid.UUID) -> asyncpg.Record | None:
    """Return a partner's latest deposit for an auction with its payment's state, or None."""
    return await fetch_one(
        """SELECT auction_deposit.*, payment.state, payment.capture_before, payment.checkout_url FROM auction_deposit
           JOIN payment ON payment.subject = auction_deposit.id
           WHERE auction_deposit.partner = $1 AND auction_deposit.auction = $2 ORDER BY asked_at DESC, id LIMIT 1""",
        partner, auction,
    )  # fmt: skip


async def look_for_deposit(partner: uuid.UUID, deposit: uuid.UUID) -> None:
    """Ask Stripe where a deposit stands, for someone who comes back from its page."""
    if await fetch_value("SELECT true FROM auction_deposit WHERE id = $1 AND partner = $2", deposit, partner):
        await refresh_payment(deposit)


# ------------------------------------------------------------------ what becomes of deposits
WON = """EXISTS (SELECT FROM auction_sale AS sale JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
                 WHERE outcome.auction = deposit.auction AND outcome.partner = deposit.partner AND sale.state = '{state}')"""
OVER = f"""auction.state = 'cancelled' OR auction.state = 'awarded' AND NOT {WON.format(state="due")}"""


async def end_deposits() -> int:
    """Take what defaulting winners had held back and let all others' go; enter what was taken. Return how many ended."""
    ended = 0
    async with transaction():
        rows = await fetch(
            f"""SELECT deposit.id, deposit.amount_minor, payment.state, {WON.format(state="defaulted")} AS defaulted
                FROM auction_deposit AS deposit JOIN auction ON auction.id = deposit.auction
                JOIN payment ON payment.subject = deposit.id
                WHERE ending IS NULL AND ({OVER}) ORDER BY asked_at, deposit.id LIMIT {AT_ONCE} FOR UPDATE OF deposit SKIP LOCKED"""
        )
        for row in rows:
            taken = row["defaulted"] and row["state"] == "authorised"
            if taken:
                await payments.capture_deposit(row["id"], amount_minor=row["amount_minor"])
            else:
                await payments.release_deposit(row["id"])
            await execute(
                "UPDATE auction_deposit SET ending = $2, ended_at = $3 WHERE id = $1",
                row["id"], "forfeited" if taken else "released", clock.now(),
            )  # fmt: skip
            ended += 1
    await _enter_forfeited()
    return ended


async def _enter_forfeited() -> None:
    """Enter deposits that were taken: an indemnity, without VAT, once each."""
    taken = await fetch(
        """SELECT deposit.id, payment.received_minor, payment.paid_at, payment.currency FROM auction_deposit AS deposit
           JOIN payment ON payment.subject = deposit.id
           WHERE ending = 'forfeited' AND payment.state IN ('paid', 'refunded') AND NOT EXISTS (
               SELECT FROM journal_entry WHERE kind = 'deposit_forfeited' AND source_id = deposit.id::text) LIMIT 200"""
    )
    await record_all(
        [
            Entry(
                "deposit_forfeited", str(row["id"]), row["paid_at"], "Deposit of a winner who did not pay in time",
                [(chart.PARTNERS, chart.FORFEITED_DEPOSITS, row["received_minor"])], row["currency"], late=True,
            )
            for row in taken
        ]
    )  # fmt: skip
