"""The file that asks the bank to pay a run: made batch by batch into a temporary file, checked, and the same every time."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from typing import IO, TYPE_CHECKING, Any

from marketplace.database import fetch, fetch_one
from marketplace.earnings import sepa
from marketplace.errors import Conflict, NotFound
from marketplace.identity import vault
from marketplace.settings import settings

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import AsyncIterator, Sequence

    import asyncpg

PAYEES: str = """
SELECT payout.id, payout.amount_minor, payout.subscriber, payout.details, bank_details.key_id, bank_details.sealed
FROM payout JOIN bank_details ON bank_details.id = payout.details
WHERE payout.run = $1 AND payout.batch = $2 ORDER BY payout.id
"""
PIECE_BYTES = 1 << 20


async def make_file(run: uuid.UUID, sent_at: dt.datetime, execute_on: dt.date) -> tuple[IO[bytes], str]:
    """Write a run's pain.001 to a temporary file and check it; return the file, at its start, and its SHA-256."""
    payer = sepa.Payer(settings().payout_name, _payer_iban(), execute_on)
    row = await fetch_one("SELECT people, amount_minor FROM payout_run WHERE id = $1", run)
    assert row, "whoever sends a run has looked at it"
    digest = hashlib.sha256()
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (whoever asked closes it)

    def write(piece: bytes) -> None:
        digest.update(piece)
        file.write(piece)

    try:
        write(
            sepa.opening(sepa.message_of(run), sent_at, payer, people=row["people"], amount_minor=row["amount_minor"])
        )
        for batch in await fetch("SELECT id, number FROM payout_batch WHERE run = $1 ORDER BY number", run):
            payees = await fetch(PAYEES, run, batch["number"])
            write(await asyncio.to_thread(_batch, sepa.batch_of(batch["id"]), payer, payees))
        write(sepa.CLOSING)
        file.seek(0)
        await asyncio.to_thread(sepa.check_file, file)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file, digest.hexdigest()


async def open_file(run: uuid.UUID) -> AsyncIterator[bytes]:
    """Return the pieces of a sent run's file; refuse a run that has none, and a file that came out another than was sent."""
    row = await fetch_one("SELECT sent_at, execute_on, file_sha256 FROM payout_run WHERE id = $1", run)
    if row is None or row["file_sha256"] is None:
        raise NotFound("This run has no file for the bank: it is not sent, or Stripe pays it.")
    file, digest = await make_file(run, row["sent_at"], row["execute_on"])
    if digest != row["file_sha256"]:
        file.close()
        raise Conflict(
            "The file would differ from the one that was sent: PAYOUT_NAME or PAYOUT_IBAN has changed since, "
            "or names that are no longer needed were forgotten."
        )
    return _pieces(file)


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece


def _batch(number: str, payer: sepa.Payer, payees: Sequence[asyncpg.Record]) -> bytes:
    return sepa.batch(number, payer, [_transfer(payee) for payee in payees])


def _transfer(payee: asyncpg.Record) -> sepa.Transfer:
    if payee["sealed"] is None:
        raise Conflict("Some names and IBANs of this run are no longer needed and were forgotten.")
    opened: dict[str, Any] = vault.unseal(payee["key_id"], payee["sealed"], payee["details"], payee["subscriber"])
    return sepa.Transfer(
        reference=sepa.reference_of(payee["id"]),
        holder=opened["holder"],
        iban=opened["iban"],
        amount_minor=payee["amount_minor"],
        text=f"{settings().payout_name}: vos parts / your shares",
    )


def _payer_iban() -> str:
    if not settings().payout_iban:
        raise Conflict("Set PAYOUT_IBAN to the account that subscribers are paid from.")
    return sepa.check_iban(settings().payout_iban)
