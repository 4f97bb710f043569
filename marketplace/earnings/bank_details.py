"""Where a subscriber wants their money, and from how much: written by them, sealed in the vault, replaced and never edited.

An IBAN that replaces another is paid some days later only, and says so to the subscriber on every page of theirs
meanwhile: whoever takes a line over cannot be quicker than its holder. A payout that is already drafted goes where it
was drafted for. What a former holder wrote ends with them: whoever claims a line anew inherits no account.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from marketplace import clock
from marketplace.database import execute, fetch, fetch_one, lock, transaction
from marketplace.earnings import sepa
from marketplace.errors import Conflict, Invalid
from marketplace.identity import vault
from marketplace.payments.transfers import can_be_paid, connected_account, has_connected_account, onboarding_page
from marketplace.settings import settings

if TYPE_CHECKING:
    import asyncpg

KEPT: Final = dt.timedelta(days=396)
"""How long ended details stay openable: thirteen months, in which a payment may still be disputed."""
RESEALED_AT_ONCE: Final = 1000
HIGHEST_THRESHOLD_MINOR: Final = 100_000


async def write_details(line: int, *, holder: str, iban: str, details: uuid.UUID) -> None:
    """Have a line's payouts go to this account; `details` is the form's id, so that a click counts once.

    The same holder and IBAN again change nothing. Another IBAN is used after IBAN_HOLD_DAYS, whatever became of the one
    before it; so is the first, where a holder of the line ever began to be paid through Stripe.
    """
    name, number = sepa.check_holder(holder), sepa.check_iban(iban)
    now = clock.now()
    async with transaction():
        await lock(f"bank details {line}")
        if await fetch_one("SELECT 1 FROM bank_details WHERE id = $1", details):
            return
        await end_former(line)
        last = await fetch_one(
            "SELECT * FROM bank_details WHERE subscriber = $1 ORDER BY added_at DESC, id LIMIT 1", line
        )
        opened = _opened(last) if last and last["sealed"] else None
        is_current = last is not None and last["ended_at"] is None and last["refused_at"] is None
        if is_current and opened == {"holder": name, "iban": number}:
            return
        is_same_account = is_current and opened is not None and opened["iban"] == number
        is_first = last is None and not await has_connected_account(line)
        held = dt.timedelta(days=0 if is_first else settings().iban_hold_days)
        usable_from = max(now, last["usable_from"]) if last and is_same_account else now + held
        await execute("UPDATE bank_details SET ended_at = $2 WHERE subscriber = $1 AND ended_at IS NULL", line, now)
        key_id, sealed = vault.seal({"holder": name, "iban": number}, details, line)
        await execute(
            """INSERT INTO bank_details (id, subscriber, sealed, key_id, fingerprint, last_four, country, added_at, usable_from)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
            details, line, sealed, key_id, vault.fingerprint(number), number[-4:], number[:2], now, usable_from,
        )  # fmt: skip


async def end_former(line: int | None = None) -> int:
    """End what a former holder of a line, or of any, chose about being paid; return how many bank details were theirs."""
    await execute(
        """DELETE FROM payout_choice USING subscriber
           WHERE reference = subscriber AND ($1::bigint IS NULL OR subscriber = $1) AND (claimed_at IS NULL OR claimed_at > chosen_at)""",
        line,
    )
    return await execute(
        """UPDATE bank_details SET ended_at = $2 FROM subscriber
           WHERE reference = subscriber AND ($1::bigint IS NULL OR subscriber = $1) AND ended_at IS NULL
             AND (claimed_at IS NULL OR claimed_at > added_at)""",
        line, clock.now(),
    )  # fmt: skip


async def remove_details(line: int) -> None:
    """Take a line's bank details away: its earnings wait until there are new ones."""
    async with transaction():
        await lock(f"bank details {line}")
        await execute(
            "UPDATE bank_details SET ended_at = $2 WHERE subscriber = $1 AND ended_at IS NULL", line, clock.now()
        )


async def choose_threshold(line: int, threshold_minor: int) -> None:
    """Have a line paid only from this many cents on; the common threshold stays the lowest."""
    lowest = settings().payout_threshold_minor
    if not lowest <= threshold_minor <= max(lowest, HIGHEST_THRESHOLD_MINOR):
        raise Invalid(
            "Choose an amount from {lowest} to {highest} euros.",
            lowest=f"{lowest / 100:.2f}", highest=f"{max(lowest, HIGHEST_THRESHOLD_MINOR) / 100:.2f}",
        )  # fmt: skip
    async with transaction():
        await end_former(line)
        await execute(
            """INSERT INTO payout_choice (subscriber, threshold_minor, chosen_at) VALUES ($1, $2, $3)
               ON CONFLICT (subscriber) DO UPDATE
               SET threshold_minor = excluded.threshold_minor, chosen_at = excluded.chosen_at""",
            line, threshold_minor, clock.now(),
        )  # fmt: skip


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
        is_change = await fetch_one("SELECT 1 FROM bank_details WHERE subscriber = $1 LIMIT 1", line)
        stripe_from = now + dt.timedelta(days=settings().iban_hold_days if is_change else 0)
        await execute(
            """INSERT INTO payout_choice (subscriber, threshold_minor, stripe_account, stripe_from, chosen_at)
               VALUES ($1, 0, $2, $3, $4) ON CONFLICT (subscriber) DO UPDATE
               SET stripe_account = excluded.stripe_account, stripe_from = excluded.stripe_from, chosen_at = excluded.chosen_at
               WHERE payout_choice.stripe_account IS DISTINCT FROM excluded.stripe_account""",
            line, account, stripe_from, now,
        )  # fmt: skip
    return True


async def leave_stripe(line: int) -> None:
    """Have a line paid by bank transfer again, where it was paid before; new bank details wait as ever."""
    await execute(
        "UPDATE payout_choice SET stripe_account = NULL, stripe_from = NULL, chosen_at = $2 WHERE subscriber = $1",
        line, clock.now(),
    )  # fmt: skip


def _opened(row: asyncpg.Record) -> dict[str, str]:
    try:
        return vault.unseal(row["key_id"], row["sealed"], row["id"], row["subscriber"])
    except vault.UnopenableError:
        raise Conflict("Your bank details cannot be opened just now; we have been told.") from None


async def keep_details() -> int:
    """End what former holders chose, seal anew what an older key sealed, forget what ended long ago; return how many rows.

    What cannot be opened is named in the log and left as it is.
    """
    touched = await end_former()
    touched += await execute(
        """UPDATE bank_details SET sealed = NULL, fingerprint = '' WHERE sealed IS NOT NULL AND ended_at < $1
           AND NOT EXISTS (SELECT FROM payout WHERE payout.details = bank_details.id AND payout.state = 'open')""",
        clock.now() - KEPT,
    )
    last: uuid.UUID | None = uuid.UUID(int=0)
    while last is not None:
        done, last = await _seal_anew(last)
        touched += done
    return touched


async def _seal_anew(after: uuid.UUID) -> tuple[int, uuid.UUID | None]:
    """Seal the next rows behind this id; return how many, and the last that was looked at, None where none was left."""
    async with transaction():
        rows = await fetch(
            """SELECT id, subscriber, key_id, sealed FROM bank_details WHERE sealed IS NOT NULL AND key_id <> $1 AND id > $2
               ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED""",
            vault.current_key(), after, RESEALED_AT_ONCE,
        )  # fmt: skip
        read = [(row, vault.find_content(row["key_id"], row["sealed"], row["id"], row["subscriber"])) for row in rows]
        anew = [
            (row["id"], *vault.seal(content, row["id"], row["subscriber"]), vault.fingerprint(content["iban"]))
            for row, content in read if content
        ]  # fmt: skip
        await execute(
            """UPDATE bank_details SET key_id = anew.key_id, sealed = anew.sealed, fingerprint = anew.fingerprint
               FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[]) AS anew (id, key_id, sealed, fingerprint)
               WHERE bank_details.id = anew.id""",
            *([one[column] for one in anew] for column in range(4)),
        )  # fmt: skip
    return len(anew), rows[-1]["id"] if rows else None
