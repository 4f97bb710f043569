"""What a format of export is made of, and the file that it writes into; each format has a file beside this one."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import datetime as dt
import hashlib
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from marketplace.core.database import execute, transaction
from marketplace.core.web.formats import PARIS
from marketplace.core.words import Words

SORTED_IN_MEMORY: Final = "128MB"
LETTERS: Final = str.maketrans({"Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "’": "'", "–": "-", "—": "-", "…": "..."})
"""Letters and signs that lose nothing but their look."""


class Days(Struct, frozen=True):
    """The days of a file, both included; in Paris."""

    first: dt.date
    last: dt.date

    @property
    def bounds(self) -> tuple[dt.datetime, dt.datetime]:
        """Return when the first day begins in Paris, and when the day after the last does."""
        after = self.last + dt.timedelta(days=1)
        return dt.datetime.combine(self.first, dt.time(), PARIS), dt.datetime.combine(after, dt.time(), PARIS)


class ExportWriter:
    """The file being written: lines in, encoded, counted and hashed."""

    def __init__(self, file: IO[bytes], encoding: str, *, line_ending: str) -> None:
        """Write to `file`."""
        self.file, self.encoding, self.line_ending = file, encoding, line_ending
        self.lines, self.digest = 0, hashlib.sha256()

    async def write(self, data: bytes) -> None:
        """Write whole lines in UTF-8 that end in a line feed."""
        await asyncio.to_thread(self._put, data.decode().replace("\n", self.line_ending), data.count(b"\n"))

    async def write_lines(self, *lines: str) -> None:
        """Write lines of our own."""
        await self.write("".join(f"{line}\n" for line in lines).encode())

    def _put(self, text: str, lines: int) -> None:
        encoded = text.encode(self.encoding, errors="partage.plain")
        self.file.write(encoded)
        self.digest.update(encoded)
        self.lines += lines


class ExportFormat(Struct, frozen=True, kw_only=True):
    """A format of export: its words, how its file is named and encoded, and what writes and checks it."""

    code: str
    title: str
    about: Words
    """What it is for."""
    write: Callable[[ExportWriter, Days], Awaitable[None]]
    """Writes the books of the days."""
    name_of: Callable[[Days], str]
    """The file's name."""
    check_days: Callable[[Days], None] | None = None
    """Refuses days that the format has no file of."""
    find_fault: Callable[[Path, Days], str | None] | None = None
    """Returns what is wrong with the finished file, in a sentence; such a file is not handed out."""
    encoding: str = "utf-8"
    line_ending: str = "\n"


@contextlib.asynccontextmanager
async def one_snapshot() -> AsyncIterator[None]:
    """Let all that is read inside be of one instant, and sorted in memory as far as that goes."""
    async with transaction(isolation="repeatable_read", readonly=True):
        await execute(f"SET LOCAL work_mem = '{SORTED_IN_MEMORY}'")
        yield


def plain(error: UnicodeError) -> tuple[str, int]:
    """Return the signs an encoding lacks without their accents, or a question mark where nothing is left of them."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    kept = unicodedata.normalize("NFKD", lacking).translate(LETTERS).encode("ascii", "ignore").decode()
    return kept or "?", error.end


codecs.register_error("partage.plain", plain)
