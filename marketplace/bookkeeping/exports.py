"""The books as files: a FEC for the tax inspector, beancount and hledger for anyone who wants to check us with other tools.

Someone asks, a job writes: one snapshot of the books, one statement, a line at a time. A FEC is checked by our own
reading of the rules before anybody may have it; the other two carry what every account must hold at each month's end,
so that their programs find a changed cent by themselves.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import datetime as dt
import hashlib
import re
import tempfile
import unicodedata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from marketplace import clock, object_store
from marketplace.bookkeeping import export_sql as sql
from marketplace.bookkeeping import fec
from marketplace.database import copy_out, execute, fetch, fetch_one, fetch_value, transaction
from marketplace.errors import Invalid, NotFound
from marketplace.identity.audit_trail import note_action
from marketplace.settings import settings
from marketplace.web.formats import PARIS

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator, Sequence

    import asyncpg

    from marketplace.identity.actors import Actor

FORMATS: Final = {"fec": "FEC", "beancount": "beancount", "hledger": "hledger"}
ROOTS: Final = (
    ("40|42|43|44|45|46|47|49", "Liabilities"), ("2|3|41|48|5", "Assets"), ("6", "Expenses"), ("7", "Income"),
    ("1|8", "Equity"),
)  # fmt: skip
"""First digits of the chart → where beancount and hledger have such accounts; the first that fits."""
CHUNK_BYTES, TELL_EVERY_SECONDS = 2**20, 0.5
SORTED_IN_MEMORY: Final = "128MB"


def bounds(first_day: dt.date, last_day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Return when the first day begins in Paris, and when the day after the last does."""
    after = last_day + dt.timedelta(days=1)
    return dt.datetime.combine(first_day, dt.time(), PARIS), dt.datetime.combine(after, dt.time(), PARIS)


async def request_export(
    export: uuid.UUID, actor: Actor, *, file_format: str, first_day: dt.date, last_day: dt.date
) -> None:
    """Ask for a file of the books from one day to another, both included; the same `export` again is the same file.

    Refuses a format it has not, days in the wrong order, and a FEC that does not begin with its year.
    """
    if file_format not in FORMATS:
        raise Invalid("There is no such format.")
    if last_day < first_day:
        raise Invalid("The last day must not be before the first.")
    if file_format == "fec" and ((first_day.month, first_day.day) != (1, 1) or last_day.year != first_day.year):
        raise Invalid("A FEC tells of one year: it begins on 1 January and ends within it.")
    async with transaction():
        made = await execute(
            """INSERT INTO export_file (id, format, first_day, last_day, person, requested_at, lines_expected)
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING""",
            export, file_format, first_day, last_day, actor.person, clock.now(),
            await fetch_value(sql.EXPECTED, *bounds(first_day, last_day)),
        )  # fmt: skip
        if made:
            days = {"format": file_format, "first_day": first_day, "last_day": last_day}
            await note_action(actor, "export_books", export, after=days)


async def write_exports() -> int:
    """Write the files that are waited for; a job. Return how many, those that failed their check included."""
    written = 0
    while row := await fetch_one("SELECT * FROM export_file WHERE state = 'waiting' ORDER BY requested_at, id LIMIT 1"):
        await _write(row)
        written += 1
    return written


async def _write(row: asyncpg.Record) -> None:
    name = _file_name(row)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        with path.open("wb") as file:
            out = _Out(file, fec.ENCODING if row["format"] == "fec" else "utf-8", ending=_ending(row["format"]))
            telling = asyncio.create_task(_tell(row["id"], out))
            try:
                await _FILLERS[row["format"]](out, row["first_day"], row["last_day"])
            finally:
                telling.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await telling
        fault = await asyncio.to_thread(_fault_of, row, path) if row["format"] == "fec" else None
        if fault is None:
            await object_store.put(_key(row["id"]), path)
    await execute(
        """UPDATE export_file SET state = $2, lines_written = $3, file_name = $4, sha256 = $5, fault = $6, done_at = $7
           WHERE id = $1""",
        row["id"], "failed" if fault else "done", out.lines, name, out.digest.hexdigest(), fault, clock.now(),
    )  # fmt: skip


class _Out:
    """The file being written: lines in, encoded and counted."""

    def __init__(self, file: IO[bytes], encoding: str, *, ending: str) -> None:
        """Write to `file`."""
        self.file, self.encoding, self.ending = file, encoding, ending
        self.lines, self.digest = 0, hashlib.sha256()

    async def take(self, data: bytes) -> None:
        """Write whole lines in UTF-8 that end in a line feed."""
        await asyncio.to_thread(self._put, data.decode().replace("\n", self.ending), data.count(b"\n"))

    async def say(self, *lines: str) -> None:
        """Write lines of our own."""
        await self.take("".join(f"{line}\n" for line in lines).encode())

    def _put(self, text: str, lines: int) -> None:
        encoded = text.encode(self.encoding, errors="partage.plain")
        self.file.write(encoded)
        self.digest.update(encoded)
        self.lines += lines


def plain(error: UnicodeError) -> tuple[str, int]:
    """Return the signs an encoding lacks without their accents, or a question mark where nothing is left of them."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    kept = unicodedata.normalize("NFKD", lacking).translate(LETTERS).encode("ascii", "ignore").decode()
    return kept or "?", error.end


LETTERS: Final = str.maketrans({"Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "’": "'", "–": "-", "—": "-", "…": "..."})


codecs.register_error("partage.plain", plain)


async def _tell(export: uuid.UUID, out: _Out) -> None:
    """Write down how far a file has come, while it is written."""
    while True:
        await asyncio.sleep(TELL_EVERY_SECONDS)
        await execute("UPDATE export_file SET lines_written = $2 WHERE id = $1", export, out.lines)


@contextlib.asynccontextmanager
async def _one_snapshot() -> AsyncIterator[None]:
    """Let all that is read inside be of one instant, and sorted in memory as far as that goes."""
    async with transaction(isolation="repeatable_read", readonly=True):
        await execute(f"SET LOCAL work_mem = '{SORTED_IN_MEMORY}'")
        yield


async def _fill_fec(out: _Out, first_day: dt.date, last_day: dt.date) -> None:
    await out.say("\t".join(fec.COLUMNS))
    async with _one_snapshot():
        await copy_out(sql.FEC, *bounds(first_day, last_day), sink=out.take)


async def _fill_beancount(out: _Out, first_day: dt.date, last_day: dt.date) -> None:
    async with _one_snapshot():
        names = await _accounts()
        await out.say('option "title" "Partage"', 'option "operating_currency" "EUR"', "")
        await out.say(*(f"{first_day} open {name} EUR" for name in names.values()), "")
        await _fill_plain(out, "beancount", names, first_day, last_day)
        for account, day, minor in await _standings(first_day, last_day):
            # Said aloud, for beancount would forgive a cent: twice half the last digit.
            await out.say(f"{day} balance {names[account]}  {_euros(minor)} ~ 0.001 EUR")


async def _fill_hledger(out: _Out, first_day: dt.date, last_day: dt.date) -> None:
    async with _one_snapshot():
        names = await _accounts()
        await out.say("decimal-mark .", "commodity 1000.00 EUR", "")
        await out.say(*(f"account {name}  ; type: {name[0] if name[0] != 'I' else 'R'}" for name in names.values()), "")
        await _fill_plain(out, "hledger", names, first_day, last_day)
        on = None
        for account, day, minor in await _standings(first_day, last_day):
            if day != on:
                await out.say(f"{day - dt.timedelta(days=1)} * What every account holds at the end of the day")
                on = day
            await out.say(f"    {names[account]}  0.00 EUR = {_euros(minor)} EUR")


async def _fill_plain(out: _Out, column: str, names: dict[str, str], first_day: dt.date, last_day: dt.date) -> None:
    statement = sql.PLAIN.format(column=column)
    await copy_out(statement, *bounds(first_day, last_day), list(names), list(names.values()), sink=out.take)


_FILLERS = {"fec": _fill_fec, "beancount": _fill_beancount, "hledger": _fill_hledger}


async def _accounts() -> dict[str, str]:
    """Return every account of the chart under the name that beancount and hledger take."""
    rows = await fetch("SELECT code, title_en FROM account ORDER BY code")
    return {row["code"]: account_name(row["code"], row["title_en"]) for row in rows}


def account_name(code: str, title: str) -> str:
    """Return an account's name: where it belongs, its code, its English title without signs."""
    root = next(root for digits, root in ROOTS if re.match(digits, code))
    letters = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    words = re.findall(r"[A-Za-z0-9]+", letters)
    return f"{root}:{'-'.join([code, *(word[0].upper() + word[1:] for word in words)])}"


async def _standings(first_day: dt.date, last_day: dt.date) -> list[tuple[str, dt.date, int]]:
    """Return what each account holds when each month begins that follows one of the period, and the day after it.

    In the order of the days. Account, day, cents; a debit balance is positive.
    """
    rows = await fetch(sql.MONTHLY, *bounds(first_day, last_day))
    end = last_day + dt.timedelta(days=1)
    held: dict[str, int] = {}
    moved: dict[dt.date, list[tuple[str, int]]] = {}
    for row in rows:
        moved.setdefault(min(row["until"], end), []).append((row["account"], row["moved_minor"]))
    standing: list[tuple[str, dt.date, int]] = []
    for day in sorted({*moved, end}):
        for account, minor in moved.get(day, ()):
            held[account] = held.get(account, 0) + minor
        if day > first_day:  # what was held before is the first entry's to say
            standing += [(account, day, held[account]) for account in sorted(held)]
    return standing


def _euros(minor: int) -> str:
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def _fault_of(row: asyncpg.Record, path: Path) -> str | None:
    """Return what our check says against a FEC, in a sentence."""
    with path.open("rb") as lines:
        faults = fec.check(path.name, lines, first_day=row["first_day"], last_day=row["last_day"])
    return "; ".join(f"line {fault.line}: {fault.text}" for fault in faults[:5]) or None


def _file_name(row: asyncpg.Record) -> str:
    if row["format"] == "fec":
        return fec.file_name(settings().seller_siren, row["last_day"])
    return f"partage-{row['first_day']}-{row['last_day']}.{'beancount' if row['format'] == 'beancount' else 'journal'}"


def _ending(file_format: str) -> str:
    return "\r\n" if file_format == "fec" else "\n"


def _key(export: uuid.UUID) -> str:
    return f"{object_store.PRIVATE}exports/{export}"


async def list_exports() -> Sequence[asyncpg.Record]:
    """Return the last exports that were asked for, the latest first, with who asked."""
    return await fetch(
        """SELECT export_file.*, person.name FROM export_file JOIN person ON person.id = export_file.person
           ORDER BY requested_at DESC, export_file.id LIMIT 25"""
    )


async def open_export(export: uuid.UUID) -> tuple[str, int, AsyncIterator[bytes]]:
    """Return a finished file's name, its size in bytes, and its bytes, a piece at a time."""
    row = await fetch_one("SELECT file_name FROM export_file WHERE id = $1 AND state = 'done'", export)
    if row is None:
        raise NotFound("There is no such file, or not yet.")
    size = await object_store.size(_key(export))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, size, CHUNK_BYTES):
            yield await object_store.get_range(_key(export), start, min(start + CHUNK_BYTES, size))

    return row["file_name"], size, pieces()
