"""Where a subscriber wants their money, and from how much: written by them, sealed in the vault, replaced and never edited.

An IBAN that replaces another is paid some days later only, and every page of the subscriber says so meanwhile: a thief of
a line cannot be quicker than its holder. A payout that is already drafted goes where it was drafted for. What a former
holder wrote ends with them: the next holder of a line inherits no account.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.database import Values, execute, fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.errors import Cents, Conflict, Invalid
from marketplace.identity import vault
from marketplace.locks import lock
from marketplace.messages.actions import send
from marketplace.messages.kinds import bank_details_changed
from marketplace.messages.rules import Recipient
from marketplace.payouts.leaving import end_choices, end_last_payouts
from marketplace.payouts.queries import SQL
from marketplace.payouts.tables import BankDetails, PayoutChoice
from marketplace.sepa import accounts
from marketplace.settings import settings
from marketplace.stripe_accounts.transfers import can_be_paid, connected_account, has_connected_account, onboarding_page

if TYPE_CHECKING:
    from collections.abc import Sequence

HELD: Final = """
    SELECT held_at FROM bank_details JOIN subscriber ON reference = subscriber AND added_at >= claimed_at
    WHERE subscriber = $1 ORDER BY added_at DESC LIMIT 1"""
RETENTION: Final = dt.timedelta(days=396)
"""How long ended details stay openable: thirteen months, in which a payment may still be disputed."""
RESEALED_A_BATCH: Final = 1000
HIGHEST_THRESHOLD_MINOR: Final = 100_000


class LineRow(Struct, frozen=True):
    """A line by its reference."""

    subscriber: int


class StoredDetails(Struct, frozen=True):
    """Bank details as stored; `sealed` is None once forgotten."""

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
    """Have a line's payouts go to this account; `details` is the form's id, so that a click counts once.

    The same holder and IBAN again change nothing. Another IBAN is used after IBAN_HOLD_DAYS, even where the one before it
    was removed; so is the first, where a holder of the line ever began to be paid through Stripe. What waits for a person
    of finance still waits: moving to another IBAN, or removing the one before, decides nothing.
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
        await send(bank_details_changed.KIND, details, [Recipient("line", str(line))])


async def end_former(line: int | None = None) -> int:
    """End what a former holder of a line, or of any, chose about being paid; return how many bank details were theirs."""
    await end_choices(SQL["end_former_choices"], line)
    return await execute(SQL["end_former_details"], line, clock.now())


async def _end_current(line: int, now: dt.datetime) -> uuid.UUID | None:
    """End a line's present bank details and return their id, or None where there are none."""
    ended: Values = {BankDetails.ended_at: now}
    mine = (BankDetails.subscriber == line) & BankDetails.ended_at.is_null()
    return await fetch_scalar(uuid.UUID, BankDetails.update(ended).where(mine).returning(BankDetails.id))


async def remove_details(line: int) -> None:
    """Remove a line's bank details: its earnings wait until there are new ones."""
    async with transaction():
        await lock(f"bank details {line}")
        if ended := await _end_current(line, clock.now()):
            await send(bank_details_changed.KIND, f"{ended} removed", [Recipient("line", str(line))])


async def mark_held(lines: Sequence[int], since: dt.datetime | None) -> list[int]:
    """Have payouts to these lines' present accounts wait for a person, or (None) go on; return the lines it changes."""
    rows = await fetch_rows(
        LineRow,
        """UPDATE bank_details SET held_at = $2
           WHERE subscriber = ANY ($1) AND ended_at IS NULL AND (held_at IS NULL) = ($2::timestamptz IS NOT NULL)
           RETURNING subscriber""",
        list(lines),
        since,
    )
    return [row.subscriber for row in rows]


async def choose_threshold(line: int, threshold_minor: int) -> None:
    """Have a line paid only from this many cents on; the common threshold stays the lowest."""
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
    """Have a line's money go to the bank, on the phone bill, to an association or nowhere, from the next run on."""
    async with transaction():
        await end_former(line)
        choice = PayoutChoice(subscriber=line, threshold_minor=0, chosen_at=clock.now(), way=way, gift_to=gift_to)
        await PayoutChoice.insert(choice).on_conflict(
            target=PayoutChoice.subscriber,
            action="DO UPDATE",
            values=[PayoutChoice.way, PayoutChoice.gift_to, PayoutChoice.chosen_at],
        )


async def begin_at_stripe(line: int, *, return_url: str) -> str:
    """Return the page where Stripe asks a line's holder who they are, so that it can pay them."""
    return await onboarding_page(await connected_account(line), return_url=return_url)


async def choose_stripe(line: int) -> bool:
    """Have a line paid through Stripe, if Stripe lets its account be paid; after a wait where it replaces another way."""
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
    """Have a line paid by bank transfer again, where it was paid before; new bank details wait as ever."""
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
    """End what former holders chose, reseal what an older key sealed, delete what ended long ago; return how many rows.

    What cannot be opened is named in the log and left as it is.
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
    """Reseal the next rows after this id; return how many, and the last that was looked at, None where none was left."""
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
