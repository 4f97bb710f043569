"""Count the lines of a CSV and read its first line, to check that an engine left out no row.

DuckDB silently leaves out a last row that is larger than its buffer.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.core.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BLOCK: Final = 1 << 20
"""Bytes read at once; a line without a line break in so many bytes is too long."""


def count_lines(file: Path) -> int:
    """Return how many lines of a CSV are not empty; refuse a line of more than a megabyte, by its row."""
    lines, ends = 0, True
    with file.open("rb") as bytes_of:
        while block := bytes_of.read(BLOCK):
            read = np.frombuffer(block, np.uint8)
            breaks = (read == ord("\n")) | (read == ord("\r"))
            if len(read) == BLOCK and not breaks.any():
                raise Invalid("{file}, row {row} is a line of more than a megabyte.", file=file, row=max(lines, 1))
            lines += int(np.count_nonzero(breaks[1:] & ~breaks[:-1])) + int(breaks[0] and not ends)
            ends = bool(breaks[-1])
    return lines + int(not ends)


def refuse_line_breaks(files: Sequence[Path]) -> None:
    """Refuse CSV files with a row of several lines: name the first file with a quote that its line does not close."""
    for file in files:
        with file.open("rb") as lines:
            full = (line for line in lines if line.strip())
            for row, line in enumerate(full):
                if line.count(b'"') % 2:
                    raise Invalid("{file}, row {row} has a quote that its line does not close.", file=file, row=row)
    raise Invalid("{file} cannot be read: it has other lines than rows.", file=files[0])


def read_header(file: Path) -> list[str]:
    """Return the columns named in a CSV's first line."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            first = lines.readline(BLOCK)
        names = next(csv.reader([first]), [])
    except (UnicodeDecodeError, csv.Error):
        raise Invalid("{file} is not a CSV file in UTF-8.", file=file) from None
    if "\0" in first:
        raise Invalid("{file} is not a CSV file in UTF-8.", file=file)
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        raise Invalid("{file} has semicolons or tabs between its columns: save it with commas.", file=file)
    return [name.strip() for name in names]
