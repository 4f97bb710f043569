"""The file that asks the bank to pay a run: made batch by batch into a temporary file, checked, and the same every time."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import tempfile
import uuid
from typing import IO, TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.database import fetch_row, fetch_rows, select
from marketplace.errors import Conflict, NotFound
from marketplace.identity import vault
from marketplace.payouts import sepa
from marketplace.payouts.queries import SQL
from marketplace.payouts.tables import PayoutBatch, PayoutRun
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

PIECE_BYTES: Final = 1 << 20


class Payee(Struct, frozen=True):
    """A payout with its sealed bank details, in cents; `sealed` is None once they are forgotten."""

    id: uuid.UUID
    amount_minor: int
    subscriber: int
    details: uuid.UUID
    key_id: str
    sealed: bytes | None


class BatchRow(Struct, frozen=True):
    """A batch of a run, numbered from 1."""

    id: uuid.UUID
    number: int


class RunSums(Struct, frozen=True):
    """How many a run pays, and how much, in cents."""

    people: int
    amount_minor: int


class SentFile(Struct, frozen=True):
    """When a run was sent, the day the bank is asked to pay, and its file's SHA-256; None for what is not sent so."""

    sent_at: dt.datetime | None
    execute_on: dt.date | None
    file_sha256: str | None
    file_sequence: int


async def make_file(
    run: uuid.UUID, sent_at: dt.datetime, execute_on: dt.date, sequence: int = 0
) -> tuple[IO[bytes], str]:
    """Write a run's pain.001 to a temporary file and check it; return the file, at its start, and its SHA-256.

    Payees that are left out are not in it; refuses a file that would pay nobody.
    """
    payer = sepa.Payer(settings().payout_name, _payer_iban(), execute_on, settings().payout_instant)
    sums = await fetch_row(RunSums, SQL["sum_paid"], run)
    assert sums, "an aggregate has one row"
    if not sums.people:
        raise Conflict("Nobody would be paid: give the run up instead.")
    batches = select(BatchRow, PayoutBatch).where(PayoutBatch.run == run).order_by(PayoutBatch.number)
    digest = hashlib.sha256()
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)

    def write(piece: bytes) -> None:
        digest.update(piece)
        file.write(piece)

    try:
        write(
            sepa.opening(
                sepa.message_of(run, sequence), sent_at, payer, people=sums.people, amount_minor=sums.amount_minor
            )
        )
        for batch in await fetch_rows(BatchRow, batches):
            payees = await fetch_rows(Payee, SQL["list_payees"], run, batch.number)
            if payees:
                write(await asyncio.to_thread(_batch, sepa.batch_of(batch.id), payer, payees))
        write(sepa.CLOSING)
        file.seek(0)
        await asyncio.to_thread(sepa.check_file, file)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file, digest.hexdigest()


async def open_file(run: uuid.UUID) -> AsyncIterator[bytes]:
    """Return the pieces of a sent run's file; refuse a run that has none, and a file that differs from the one sent."""
    sent = await fetch_row(SentFile, select(SentFile, PayoutRun).where(PayoutRun.id == run))
    if sent is None or sent.sent_at is None or sent.execute_on is None or sent.file_sha256 is None:
        raise NotFound("This run has no file for the bank: it is not sent, or Stripe pays it.")
    file, digest = await make_file(run, sent.sent_at, sent.execute_on, sent.file_sequence)
    if digest != sent.file_sha256:
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


def _batch(number: str, payer: sepa.Payer, payees: Sequence[Payee]) -> bytes:
    return sepa.batch(number, payer, [_transfer(payee) for payee in payees])


def _transfer(payee: Payee) -> sepa.Transfer:
    if payee.sealed is None:
        raise Conflict("Some names and IBANs of this run are no longer needed and were forgotten.")
    opened = vault.unseal(payee.key_id, payee.sealed, payee.details, payee.subscriber)
    return sepa.Transfer(
        reference=sepa.reference_of(payee.id),
        holder=opened["holder"],
        iban=opened["iban"],
        amount_minor=payee.amount_minor,
        text=f"{settings().payout_name}: vos parts / your shares",
    )


def _payer_iban() -> str:
    if not settings().payout_iban:
        raise Conflict("Set PAYOUT_IBAN to the account that subscribers are paid from.")
    return sepa.check_iban(settings().payout_iban)
