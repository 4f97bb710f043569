"""Where a subscriber wants their money, and from how much: stated by them, sealed by the vault, replaced, never edited.

An IBAN that replaces another is paid only some days later, and every page of the subscriber says so until then: a thief
of a line cannot be quicker than its holder. A drafted payout goes to the account it was drafted for. An earlier
holder's details end with them: the next holder of a line inherits no account.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import (
    Values,
    execute,
    fetch_column,
    fetch_row,
    fetch_rows,
    fetch_scalar,
    select,
    transaction,
)
from marketplace.core.errors import Cents, Conflict, Invalid
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.money.payments.transfers import can_be_paid, connected_account, has_connected_account, onboarding_page
from marketplace.money.sepa import accounts
from marketplace.people.identity import vault
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.subscribers.message_kinds import BANK_DETAILS_CHANGED
from marketplace.subscribers.payouts.departures import end_choices, end_last_payouts
from marketplace.subscribers.payouts.queries import SQL
from marketplace.subscribers.payouts.tables import BankDetails, PayoutChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

HELD: Final = """
    SELECT held_at FROM bank_details JOIN subscriber ON reference = subscriber AND added_at >= claimed_at
    WHERE subscriber = $1 ORDER BY added_at DESC LIMIT 1"""
RETENTION: Final = dt.timedelta(days=396)
"""How long ended details can still be opened: thirteen months, in which a payment may still be disputed."""
RESEALED_A_BATCH: Final = 1000
HIGHEST_THRESHOLD_MINOR: Final = 100_000


class StoredDetails(Struct, frozen=True):
    """Bank details as stored; `sealed` is None once they are forgotten."""

    id: uuid.UUID
    subscriber: int
    key_id: str
    sealed: bytes | None
    usable_from: dt.datetime
    ended_at: dt.datetime | None
    refused_at: dt.datetime | None
    held_at: dt.datetime | None


class SealedDetails(Struct, frozen=True):
    """Bank details that are still sealed."""

    id: uuid.UUID
    subscriber: int
    key_id: str
    sealed: bytes


async def write_details(line: int, *, holder: str, iban: str, details: uuid.UUID) -> None:
    """Send a line's payouts to this account; `details` is the form's id, so that a click counts once.

    The same holder and IBAN change nothing. Another IBAN is used after IBAN_HOLD_DAYS, even if the previous one was
    removed; so is the first IBAN, if a holder of the line ever set up payment through Stripe. Payouts that wait for a
    decision of finance keep waiting: another IBAN, or removing the present one, does not release them.
    """
    name, number = accounts.check_holder(holder), accounts.check_iban(iban)
    now = clock.now()
    async with transaction():
        await lock(f"bank details {line}")
        if await BankDetails.exists().where(BankDetails.id == details):
            return
        await end_former(line)
        latest = (
            select(StoredDetails, BankDetails)
            .where(BankDetails.subscriber == line)
            .order_by(BankDetails.added_at, ascending=False)
            .order_by(BankDetails.id)
            .limit(1)
        )
        last = await fetch_row(StoredDetails, latest)
        opened = _opened(last) if last else None
        is_current = last is not None and last.ended_at is None and last.refused_at is None
        if is_current and opened == {"holder": name, "iban": number}:
            return
        is_same_account = is_current and opened is not None and opened["iban"] == number
        is_first = last is None and not await has_connected_account(line)
        wait = dt.timedelta(days=0 if is_first else settings().iban_hold_days)
        usable_from = max(now, last.usable_from) if last and is_same_account else now + wait
        same = await fetch_row(StoredDetails, latest.where(BankDetails.fingerprint.is_in(vault.fingerprints(number))))
        held_at = await fetch_scalar(dt.datetime, HELD, line)
        await _end_current(line, now)
        key_id, sealed = vault.seal({"holder": name, "iban": number}, details, line)
        await BankDetails.insert(
            BankDetails(
                id=details,
                subscriber=line,
                sealed=sealed,
                key_id=key_id,
                fingerprint=vault.fingerprint(number),
                last_four=number[-4:],
                country=number[:2],
                added_at=now,
                usable_from=usable_from,
                held_at=same.held_at if same else held_at,
            )
        )
        await send(BANK_DETAILS_CHANGED, details, [Recipient("line", str(line))])


async def end_former(line: int | None = None) -> int:
    """End the payment choices of earlier holders of a line, or of all lines; return how many bank details they had."""
    await end_choices(SQL["end_former_choices"], line)
    return await execute(SQL["end_former_details"], line, clock.now())


async def _end_current(line: int, now: dt.datetime) -> uuid.UUID | None:
    """End a line's present bank details and return their id, or None if there are none."""
    ended: Values = {BankDetails.ended_at: now}
    mine = (BankDetails.subscriber == line) & BankDetails.ended_at.is_null()
    return await fetch_scalar(uuid.UUID, BankDetails.update(ended).where(mine).returning(BankDetails.id))


async def remove_details(line: int) -> None:
    """Remove a line's bank details: its earnings wait for new ones."""
    async with transaction():
        await lock(f"bank details {line}")
        if ended := await _end_current(line, clock.now()):
            await send(BANK_DETAILS_CHANGED, f"{ended} removed", [Recipient("line", str(line))])


async def mark_held(lines: Sequence[int], since: dt.datetime | None) -> list[int]:
    """Stop payouts to these lines' present accounts until a person decides, or (None) resume them.

    Return the lines it changes.
    """
    return await fetch_column(
        int,
        """UPDATE bank_details SET held_at = $2
           WHERE subscriber = ANY ($1) AND ended_at IS NULL AND (held_at IS NULL) = ($2::timestamptz IS NOT NULL)
           RETURNING subscriber""",
        list(lines),
        since,
    )


async def choose_threshold(line: int, threshold_minor: int) -> None:
    """Set the amount, in cents, from which a line is paid; it is never below the common threshold."""
    lowest = settings().payout_threshold_minor
    highest = max(lowest, HIGHEST_THRESHOLD_MINOR)
    if not lowest <= threshold_minor <= highest:
        raise Invalid(
            "Choose an amount from {lowest} to {highest}.",
            lowest=Cents(lowest),
            highest=Cents(highest),
        )
    async with transaction():
        await end_former(line)
        choice = PayoutChoice(subscriber=line, threshold_minor=threshold_minor, chosen_at=clock.now())
        await PayoutChoice.insert(choice).on_conflict(
            target=PayoutChoice.subscriber,
            action="DO UPDATE",
            values=[PayoutChoice.threshold_minor, PayoutChoice.chosen_at],
        )


async def choose_way(line: int, way: str, gift_to: str | None = None) -> None:
    """Choose where a line's money goes from the next run on: the bank, the phone bill, an association or nowhere."""
    async with transaction():
        await end_former(line)
        choice = PayoutChoice(subscriber=line, threshold_minor=0, chosen_at=clock.now(), way=way, gift_to=gift_to)
        await PayoutChoice.insert(choice).on_conflict(
            target=PayoutChoice.subscriber,
            action="DO UPDATE",
            values=[PayoutChoice.way, PayoutChoice.gift_to, PayoutChoice.chosen_at],
        )


async def begin_at_stripe(line: int, *, return_url: str) -> str:
    """Return the address of Stripe's page that identifies a line's holder, so that Stripe can pay them."""
    return await onboarding_page(await connected_account(line), return_url=return_url)


async def choose_stripe(line: int) -> bool:
    """Pay a line through Stripe, if Stripe allows its account to be paid; after a wait if it replaces another way."""
    account = await connected_account(line)
    if not await can_be_paid(account):
        return False
    now = clock.now()
    async with transaction():
        await lock(f"bank details {line}")
        await end_former(line)
        is_change = await BankDetails.exists().where(BankDetails.subscriber == line)
        stripe_from = now + dt.timedelta(days=settings().iban_hold_days if is_change else 0)
        await execute(SQL["choose_stripe"], line, account, stripe_from, now)
    return True


async def leave_stripe(line: int) -> None:
    """Return a line to its earlier bank transfer; new bank details wait as usual."""
    await PayoutChoice.update(
        {PayoutChoice.stripe_account: None, PayoutChoice.stripe_from: None, PayoutChoice.chosen_at: clock.now()}
    ).where(PayoutChoice.subscriber == line)


def _opened(row: StoredDetails) -> dict[str, str] | None:
    if row.sealed is None:
        return None
    try:
        return vault.unseal(row.key_id, row.sealed, row.id, row.subscriber)
    except vault.UnopenableError:
        raise Conflict("Your bank details cannot be read just now; we have been notified.") from None


async def enforce_details_retention() -> int:
    """End the choices of earlier holders, reseal with the newest key, delete details that ended long ago.

    Return how many rows.

    Details that cannot be opened are named in the log and left unchanged.
    """
    touched = await end_former() + await end_last_payouts()
    touched += await execute(
        """UPDATE bank_details SET sealed = NULL, fingerprint = '' WHERE sealed IS NOT NULL AND ended_at < $1
           AND NOT EXISTS (SELECT FROM payout WHERE payout.subscriber = bank_details.subscriber
                           AND payout.details = bank_details.id AND payout.state = 'open')""",
        clock.now() - RETENTION,
    )
    last: uuid.UUID | None = uuid.UUID(int=0)
    while last is not None:
        done, last = await _reseal(last)
        touched += done
    return touched


async def _reseal(after: uuid.UUID) -> tuple[int, uuid.UUID | None]:
    """Reseal the next rows after this id; return how many, and the last id read, None after the last row."""
    outdated = (
        select(SealedDetails, BankDetails)
        .where(BankDetails.sealed.is_not_null(), BankDetails.key_id != vault.current_key(), BankDetails.id > after)
        .order_by(BankDetails.id)
        .limit(RESEALED_A_BATCH)
        .lock_rows("UPDATE", skip_locked=True)
    )
    async with transaction():
        rows = await fetch_rows(SealedDetails, outdated)
        read = [(row, vault.find_content(row.key_id, row.sealed, row.id, row.subscriber)) for row in rows]
        resealed = [
            (row.id, *vault.seal(content, row.id, row.subscriber), vault.fingerprint(content["iban"]))
            for row, content in read
            if content
        ]
        await execute(
            """UPDATE bank_details SET key_id = fresh.key_id, sealed = fresh.sealed, fingerprint = fresh.fingerprint
               FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[]) AS fresh (id, key_id, sealed, fingerprint)
               WHERE bank_details.id = fresh.id""",
            *([one[column] for one in resealed] for column in range(4)),
        )
    return len(resealed), rows[-1].id if rows else None
