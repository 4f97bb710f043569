"""The most that a received Parquet file may unpack to: kilobytes may contain megabytes of text in millions of rows.

A file with encrypted columns and a plain footer is refused here too: the library that reads footers ends the process at
the first such column. Source: Apache Parquet, parquet.thrift and Encryption.md; Thrift's compact protocol.
"""

from __future__ import annotations

import contextlib
import os
import struct
from typing import TYPE_CHECKING, Any, Final

from marketplace.core.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow.parquet as pq

BYTES_A_VALUE: Final = 256
SLACK_BYTES: Final = 1 << 20
LONGEST_TEXT: Final = 4096
"""Bytes: a column's dictionary may contain a text once and use it in every row, so the unpacked size is no limit."""
MAGIC: Final = b"PAR1"
ENCRYPTED: Final = {(8,), (4, 1, 8), (4, 1, 9)}
"""Fields of a footer: the algorithm, and for each column of a row group its encryption and its own encrypted footer."""
FIXED: Final = {3: 1, 7: 8}
"""Kinds of the compact protocol with a fixed number of bytes; lower kinds are numbers of variable length."""
NUMBERS: Final = {4, 5, 6}
TEXT, LISTS, STRUCT = 8, {9, 10}, 12
MORE: Final = 0x80
IN_HEAD: Final = 15
"""A list's head has the number of elements, or this value if the number follows."""


def most_bytes(values: int) -> int:
    """Return how many bytes a column of so many values may unpack to: real texts are short."""
    return values * BYTES_A_VALUE + SLACK_BYTES


def swollen(metadata: pq.FileMetaData) -> str:
    """Return the first column whose declared size exceeds what its values may need, '' if there is none."""
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for column in (group.column(at) for at in range(group.num_columns)):
            if column.total_uncompressed_size > most_bytes(column.num_values):
                return str(column.path_in_schema)
    return ""


def read_footer(file: Path) -> pq.FileMetaData:
    """Return a Parquet file's footer; refuses one whose columns are encrypted."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    found = pq.read_metadata(file)
    with contextlib.suppress(ValueError, IndexError, RecursionError):  # the library has read the file: trust it
        if _Footer(_footer_bytes(file)).is_encrypted():
            raise Invalid("{file} is encrypted: write it without, for nothing here has its key.", file=file)
    return found


def refuse_swollen(file: Path) -> None:
    """Refuse a file with a swollen column; an unreadable file is left to its reader to refuse."""
    import pyarrow as pa  # noqa: PLC0415

    with contextlib.suppress(pa.ArrowException, OSError):
        if column := swollen(read_footer(file)):
            raise too_long(file, column)


def refuse_long_texts(database: Any, file: Path, described: Sequence[Any]) -> list[tuple[str, str]]:  # noqa: ANN401 (DuckDB's connection)
    """Return a file's columns and their types from DuckDB's description; refuses a text that is too long for a row."""
    columns = [(str(row[0]), str(row[1])) for row in described]
    texts = [name for name, kind in columns if kind == "VARCHAR"]
    if not texts:
        return columns
    longest = ", ".join('max(strlen("{}"))'.format(name.replace('"', '""')) for name in texts)
    sql = f"SELECT {longest} FROM read_parquet($file, hive_partitioning = false)"
    try:
        lengths = database.execute(sql, {"file": str(file)}).fetchone()
    except Exception:  # noqa: BLE001 (the engine's own; the scan that follows says what is wrong)
        return columns
    for name, length in zip(texts, lengths, strict=True):
        if (length or 0) > LONGEST_TEXT:
            raise too_long(file, name)
    return columns


def too_long(file: Path, column: str) -> Invalid:
    """Return the refusal of a column with texts that are too long."""
    return Invalid("{file}: the column {column} has texts longer than any that are known.", file=file, column=column)


def _footer_bytes(file: Path) -> bytes:
    with file.open("rb") as opened:
        opened.seek(-8, os.SEEK_END)
        length, magic = struct.unpack("<I4s", opened.read(8))
        if magic != MAGIC:
            raise ValueError(magic)
        opened.seek(-8 - length, os.SEEK_END)
        return opened.read(length)


class _Footer:
    """A footer in Thrift's compact protocol, searched for fields; ValueError or IndexError if it is malformed."""

    def __init__(self, data: bytes) -> None:
        """Begin before its first field."""
        self.data, self.at = data, 0

    def is_encrypted(self) -> bool:
        """Return whether the footer states that columns are encrypted."""
        return self._skip(STRUCT, ())

    def _number(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & ~MORE) << shift
            if not byte & MORE:
                return value
            shift += 7

    def _skip(self, kind: int, path: tuple[int, ...]) -> bool:
        """Skip a value, and return whether it has one of the fields sought."""
        if kind in FIXED:
            self.at += FIXED[kind]
        elif kind in NUMBERS:
            self._number()
        elif kind == TEXT:
            length = self._number()
            self.at += length
        elif kind in LISTS:
            return self._skip_list(path)
        elif kind == STRUCT:
            return self._skip_struct(path)
        else:
            raise ValueError(kind)  # a footer has no maps
        return False

    def _skip_list(self, path: tuple[int, ...]) -> bool:
        head = self.data[self.at]
        self.at += 1
        count, kind = head >> 4, head & 0x0F
        count = self._number() if count == IN_HEAD else count
        found = False
        for _ in range(count):
            found |= self._skip(3 if kind in {1, 2} else kind, path)
        return found

    def _skip_struct(self, path: tuple[int, ...]) -> bool:
        found, field = False, 0
        while head := self.data[self.at]:
            self.at += 1
            step, kind = head >> 4, head & 0x0F
            if step:
                field += step
            else:
                number = self._number()
                field = (number >> 1) ^ -(number & 1)
            within = (*path, field)
            found |= within in ENCRYPTED
            if kind not in {1, 2}:  # true and false are kinds themselves
                found |= self._skip(kind, within)
        self.at += 1
        return found
