"""Tables as CSV files for spreadsheets; no cell of theirs begins a formula."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BEGINS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters of texts that spreadsheets compute; a negative number is allowed, because it is no text."""


def cell(value: object) -> object:
    """Return a value as a cell: a text that a spreadsheet would compute gets an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(BEGINS_FORMULA) else value


def csv_file(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return a CSV file with headings, UTF-8 with its mark, as spreadsheets read it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(headings)
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")
