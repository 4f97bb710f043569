"""The files that ask the bank to pay a run: each as large as a bank accepts, written and checked batch by batch.

A run is divided into files at its batches. At most two batches of two files are in memory, whatever the run's size;
while one is checked against the schema, the next is read and written. A file depends on stored data alone, so it has
the same bytes each time.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import tempfile
import uuid
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from marketplace.core.database import execute, fetch_row, fetch_rows, select
from marketplace.core.errors import Conflict, NotFound, existing
from marketplace.core.settings import settings
from marketplace.money.sepa import accounts, pain001
from marketplace.people.identity import vault
from marketplace.subscribers.payouts.queries import SQL, PeopleSum, get_run
from marketplace.subscribers.payouts.tables import PayoutBatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from marketplace.subscribers.payouts.queries import AnswerRow

PIECE_BYTES: Final = 1 << 20
FILES_AT_ONCE: Final = 2


class Payee(Struct, frozen=True):
    """A payout with its sealed bank details, in cents; `sealed` is None once they are forgotten."""

    id: uuid.UUID
    amount_minor: int
    subscriber: int
    details: uuid.UUID
    key_id: str
    sealed: bytes | None


class BatchRow(Struct, frozen=True):
    """A batch of a run, numbered from 1, and how many payees it was drafted with."""

    id: uuid.UUID
    number: int
    people: int


class FileRow(Struct, frozen=True):
    """A file of a run, numbered from 1: the batches it has, how many it pays and how much, in cents."""

    id: uuid.UUID
    """Its message id contains it; the first file's message id is the run's own."""
    number: int
    first_batch: int
    last_batch: int
    sequence: int
    """How often it was replaced by a file without some payees."""
    people: int
    amount_minor: int
    made_at: dt.datetime
    execute_on: dt.date
    """The day the bank is asked to pay."""
    file_sha256: str | None
    """None once all of its payees were left out, so that there is no file."""

    @property
    def message(self) -> str:
        """Return the message id."""
        return pain001.message_of(self.id, self.sequence)

    def is_meant_by(self, message: str) -> bool:
        """Return whether a message id is this file's, or that of a file it replaced."""
        return any(pain001.message_of(self.id, sequence) == message for sequence in range(self.sequence + 1))


def payees_a_file() -> int:
    """Return how many payees a file has at most: the setting's number, or fewer to stay within its bytes."""
    return min(settings().payout_file_payees, settings().payout_file_bytes // pain001.LARGEST_TRANSFER_BYTES)


async def cut(run: uuid.UUID, now: dt.datetime, execute_on: dt.date) -> list[FileRow]:
    """Return the files that a run is divided into, not yet written; refuses a batch too large for a file."""
    batches = select(BatchRow, PayoutBatch).where(PayoutBatch.run == run).order_by(PayoutBatch.number)
    files: list[FileRow] = []
    room = 0
    for batch in await fetch_rows(BatchRow, batches):
        if batch.people > payees_a_file():
            raise Conflict(
                "This run was drafted in batches that are larger than a file may be now: give it up, and draft it again."
            )
        if batch.people > room:
            number = len(files) + 1
            file_id = run if number == 1 else uuid.uuid5(run, str(number))
            files.append(FileRow(file_id, number, batch.number, batch.number, 0, 0, 0, now, execute_on, None))
            room = payees_a_file()
        files[-1] = replace(files[-1], last_batch=batch.number)
        room -= batch.people
    return files


async def write_files(run: uuid.UUID, files: Sequence[FileRow]) -> list[FileRow]:
    """Write and check files of a run, and return their present state without their bytes.

    A file whose payees are all left out has no bytes and pays nobody. The next file is begun while the one before it
    ends, so that neither waits for its first batch to be read or its last to be checked.
    """
    written: list[FileRow] = []
    under_way: deque[asyncio.Task[FileRow]] = deque()
    try:
        for file in files:
            under_way.append(asyncio.create_task(_write_file(run, file)))
            if len(under_way) == FILES_AT_ONCE:
                written.append(await under_way.popleft())
        written += [await task for task in under_way]
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
    return written


async def _write_file(run: uuid.UUID, file: FileRow) -> FileRow:
    sums = await fetch_row(PeopleSum, SQL["sum_paid"], run, file.first_batch, file.last_batch, file.made_at)
    assert sums, "an aggregate has one row"
    now = replace(file, people=sums.people, amount_minor=sums.amount_minor, file_sha256=None)
    if sums.people:
        content, digest = await make_file(run, now)
        content.close()
        now = replace(now, file_sha256=digest)
    return now


async def record_files(run: uuid.UUID, files: Sequence[FileRow]) -> None:
    """Record a run's files, written at one instant; files already recorded are replaced. Joins a transaction."""
    columns = [column for column in FileRow.__struct_fields__ if column != "made_at"]
    values = ([getattr(file, column) for file in files] for column in columns)
    await execute(SQL["record_files"], run, files[0].made_at, *values)


async def list_files(run: uuid.UUID) -> list[FileRow]:
    """Return the files of a run that was sent, by number."""
    return await fetch_rows(FileRow, SQL["list_files"], run)


def latest_answer(file: FileRow, answers: Iterable[AnswerRow]) -> AnswerRow | None:
    """Return the bank's latest answer about a file, from a run's answers, the latest first.

    Answers about a file it replaced do not count.
    """
    answered = (answer for answer in answers if answer.file == file.number and answer.received_at >= file.made_at)
    return next(answered, None)


async def make_file(run: uuid.UUID, about: FileRow) -> tuple[IO[bytes], str]:
    """Write one file (pain.001) of a run to a temporary file, and check it; return it, rewound, and its SHA-256.

    Payees that are left out, and payouts that had failed by then, are not in it.
    """
    payer = pain001.Payer(settings().payout_name, payer_iban(), about.execute_on, settings().payout_instant)
    batches = (
        select(BatchRow, PayoutBatch)
        .where(PayoutBatch.run == run, PayoutBatch.number >= about.first_batch, PayoutBatch.number <= about.last_batch)
        .order_by(PayoutBatch.number)
    )
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    writer = _Writer(file)
    try:
        await writer.write(
            pain001.opening(about.message, about.made_at, payer, people=about.people, amount_minor=about.amount_minor)
        )
        async for batch, payees in _read_ahead(run, await fetch_rows(BatchRow, batches), about.made_at):
            if payees:
                await writer.write(await asyncio.to_thread(_batch, pain001.batch_of(batch.id), payer, payees))
        await writer.write(pain001.CLOSING)
        digest = await writer.end()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    finally:
        writer.close()
    return file, digest


async def _read_ahead(
    run: uuid.UUID, batches: Sequence[BatchRow], made_at: dt.datetime
) -> AsyncIterator[tuple[BatchRow, list[Payee]]]:
    """Yield each batch with its payees, while the next is read. Must not be used inside a transaction."""

    def read(number: int) -> asyncio.Task[list[Payee]]:
        return asyncio.create_task(fetch_rows(Payee, SQL["list_payees"], run, number, made_at))

    reading = read(batches[0].number)
    try:
        for place, batch in enumerate(batches, 1):
            payees = await reading
            if place < len(batches):
                reading = read(batches[place].number)
            yield batch, payees
    finally:
        reading.cancel()


class _Writer:
    """A file that is written and checked at once: one piece is checked while the next one is made.

    One thread of its own does all the checking, because lxml's parsers must not move between threads.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.digest = file, hashlib.sha256()
        self.thread = ThreadPoolExecutor(1)
        self.check: Future[pain001.FileCheck] = self.thread.submit(pain001.FileCheck)
        self.checking: Future[None] | None = None

    async def write(self, piece: bytes) -> None:
        """Write a piece once the previous one is checked, and begin to check it."""
        self.digest.update(piece)
        self.file.write(piece)
        if self.checking:
            await asyncio.wrap_future(self.checking)
        self.checking = self.thread.submit(lambda: self.check.result().add(piece))

    async def end(self) -> str:
        """Return the file's SHA-256; refuse an invalid file."""
        assert self.checking, "a file has a beginning"
        await asyncio.wrap_future(self.checking)
        await asyncio.wrap_future(self.thread.submit(lambda: self.check.result().end()))
        return self.digest.hexdigest()

    def close(self) -> None:
        """End the thread once it has checked its pieces."""
        self.thread.shutdown(wait=False)


async def open_file(run: uuid.UUID, number: int = 1) -> AsyncIterator[bytes]:
    """Return the pieces of one of a sent run's files; refuse an unknown file, and one that differs from that sent."""
    about = existing(
        next((file for file in await list_files(run) if file.number == number and file.file_sha256), None),
        NotFound("This run has no such file for the bank: it is not sent, or Stripe pays it."),
    )
    if (await get_run(run)).replace_asked_at:
        raise Conflict(
            "Files of this run are being rewritten without those who are left out: fetch them in some minutes."
        )
    file, digest = await make_file(run, about)
    if digest != about.file_sha256:
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


def _batch(number: str, payer: pain001.Payer, payees: Sequence[Payee]) -> bytes:
    return pain001.batch(number, payer, [_transfer(payee) for payee in payees])


def _transfer(payee: Payee) -> pain001.Transfer:
    if payee.sealed is None:
        raise Conflict("Some names and IBANs of this run are no longer needed and were forgotten.")
    opened = vault.unseal(payee.key_id, payee.sealed, payee.details, payee.subscriber)
    return pain001.Transfer(
        reference=pain001.reference_of(payee.id),
        holder=opened["holder"],
        iban=opened["iban"],
        amount_minor=payee.amount_minor,
        text=f"{settings().payout_name}: vos parts / your shares",
    )


def payer_iban() -> str:
    """Return the account that pays subscribers; raises Conflict if it is not set."""
    if not settings().payout_iban:
        raise Conflict("Set PAYOUT_IBAN to the account that subscribers are paid from.")
    return accounts.check_iban(settings().payout_iban)
