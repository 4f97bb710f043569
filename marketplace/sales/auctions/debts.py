"""What a winner who did not pay owes: how much less its lots were sold for, beyond what its deposits covered.

The debt is charged once to the saved method, off session; if that fails it is paid on Stripe's page, which its partner
may request again whenever one expires. Payments are entered like forfeited deposits. The bar ends only after its time
is over and the whole debt is received.
"""

from __future__ import annotations

import datetime as dt
import uuid
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_row, fetch_rows, transaction
from marketplace.core.errors import Conflict, NotFound, existing
from marketplace.core.settings import settings
from marketplace.money.payments import actions as payments
from marketplace.money.payments.events import refresh_payment
from marketplace.money.payments.rules import Line
from marketplace.money.payments.stripe_calls import run_command, run_commands
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.sales.auctions.eligibility import PAGE_LASTS, email_of
from marketplace.sales.auctions.queries import SQL
from marketplace.sales.auctions.tables import AuctionDefault, AuctionDeposit
from marketplace.sales.message_kinds import DEBT_DUE

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor

BATCH_SIZE: Final = 200
PAGE: Final = "/auctions/debts"


class WinnersDebt(Struct, frozen=True):
    """The remaining debt of a winner who did not pay, and the id of the payment that collects it."""

    id: uuid.UUID
    payment: uuid.UUID
    has_disputed: bool
    """Whether a bank reversed any payment of this partner."""
    auction: uuid.UUID
    partner: uuid.UUID
    currency: str
    amount_minor: int


class DebtPayment(Struct, frozen=True):
    """A payment that collects a debt."""

    subject: uuid.UUID
    state: str
    checkout_url: str | None


class Bar(Struct, frozen=True):
    """A partner's debt for an auction, None if it paid in time, whether it still owes, and until when it is barred."""

    owed_minor: int | None
    is_owed: bool | None
    barred_until: dt.datetime | None


async def find_bar(partner: uuid.UUID, auction: uuid.UUID) -> Bar | None:
    """Return a partner's debt for an auction and until when it is barred; None if it owes nothing and may bid."""
    bar = await fetch_row(
        Bar,
        """SELECT max(owed_minor) FILTER (WHERE auction = $2) AS owed_minor,
                  bool_or(settled_at IS NULL AND owed_minor > 0) AS is_owed, max(barred_until) AS barred_until
           FROM auction_default
           WHERE partner = $1 AND (barred_until > clock_timestamp() OR settled_at IS NULL AND owed_minor > 0 OR auction = $2)""",
        partner,
        auction,
    )
    return bar if bar and bar.barred_until else None


async def collect_owed() -> int:
    """Collect remaining debts by the saved method, or else on a page, and write to the partners; return how many.

    If a bank reversed a payment of theirs, they are asked to pay on a page: a card whose owner disputed a charge is not
    charged again.
    """
    rows = await fetch_rows(WinnersDebt, SQL["list_uncollected"], BATCH_SIZE)
    for row in rows:
        page = f"{settings().url}/en{PAGE}"
        now = clock.now()
        async with transaction():
            await AuctionDeposit.insert(
                AuctionDeposit(
                    id=row.payment,
                    auction=row.auction,
                    partner=row.partner,
                    amount_minor=row.amount_minor,
                    asked_at=now,
                    ending="forfeited",
                    ended_at=now,
                )
            ).on_conflict(action="DO NOTHING", target=AuctionDeposit.id)
            ask = (
                payments.request_payment if row.has_disputed else partial(payments.request_charge, partner=row.partner)
            )
            await ask(
                row.payment,
                amount_minor=row.amount_minor,
                currency=row.currency,
                lines=[Line("What an unpaid award was sold for less", row.amount_minor)],
                email=await email_of(row.partner, None),
                success_url=f"{page}?paid={row.id}",
                cancel_url=page,
                locale="en",
                expires_at=now + PAGE_LASTS,
            )
            await send(DEBT_DUE, row.payment, [Recipient("partner", str(row.partner))], auction=str(row.auction))
    return len(rows)


async def settle_debts() -> int:
    """Record which debts are now paid, and which were refunded or reversed by a bank; return how many changed."""
    return await execute(
        """UPDATE auction_default SET settled_at = CASE WHEN settled_at IS NULL THEN clock_timestamp() END
           WHERE (settled_at IS NULL) = (owed_minor <= received_for_default(partner, auction))"""
    )


async def pay_debt(actor: Actor, debt: uuid.UUID) -> str | None:
    """Return the address of Stripe's page for a partner's own debt; None if it is paid, or a payment is under way.

    Raises NotFound for another partner's, and Conflict while a deposit is being captured for it, or a bank decides.
    """
    owed = (AuctionDefault.id == debt) & (AuctionDefault.partner == actor.partner)
    if not await AuctionDefault.exists().where(owed):
        raise NotFound("There is nothing to pay.")
    await settle_debts()
    if await AuctionDefault.exists().where(owed, AuctionDefault.settled_at.is_not_null()):
        return None
    if await collect_owed():
        await run_commands()
    captured = Conflict("Your deposit is being captured for it; look again in a few minutes.")
    payment = existing(await _find_payment(debt), captured)
    if payment.state in ("paid", "refunded"):
        raise Conflict("Your bank is deciding on a payment of it: it can be paid once that is over.")
    if payment.state in ("expired", "failed"):
        await run_command(await payments.request_page_again(payment.subject, expires_at=clock.now() + PAGE_LASTS))
        payment = existing(await _find_payment(debt), captured)
    return payment.checkout_url if payment.state == "open" else None


async def _find_payment(debt: uuid.UUID) -> DebtPayment | None:
    """Return the latest payment for a debt."""
    return await fetch_row(
        DebtPayment,
        """SELECT payment.subject, payment.state, payment.checkout_url FROM auction_default AS owed
           JOIN auction_deposit AS deposit ON deposit.auction = owed.auction AND deposit.partner = owed.partner
           JOIN payment ON payment.subject = deposit.id AND payment.capture = 'automatic'
           WHERE owed.id = $1 ORDER BY deposit.asked_at DESC LIMIT 1""",
        debt,
    )


async def refresh_debt(partner: uuid.UUID, debt: uuid.UUID) -> None:
    """Ask Stripe for a debt's status, when its partner returns from the page, and record whether it is paid."""
    if await AuctionDefault.exists().where((AuctionDefault.id == debt) & (AuctionDefault.partner == partner)):
        if payment := await _find_payment(debt):
            await refresh_payment(payment.subject)
        await settle_debts()
