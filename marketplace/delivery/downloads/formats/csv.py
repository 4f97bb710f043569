"""CSV (RFC 4180): text quoted, instants to the second in UTC, lines that end in CR LF."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any, Final, cast

from marketplace.core.words import Words
from marketplace.delivery.downloads.formats.file_format import FileFormat, FileInput

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from _typeshed import ReadableBuffer as Buffer

FORMULA: Final = r"^([=+\-@\t\r])"
"""The start of a formula in a spreadsheet; such text gets an apostrophe before it."""


def _write(given: FileInput, path: Path) -> None:
    import pyarrow.csv as pacsv  # noqa: PLC0415

    csv = None
    with path.open("wb") as file:
        for table in given.batches():
            text = as_text(table)
            csv = csv or pacsv.CSVWriter(cast("IO[bytes]", _EndingLines(file)), text.schema)
            csv.write_table(text)
        if csv:
            csv.close()


class _EndingLines(io.RawIOBase):
    """A file in which every line ends in CR LF, as RFC 4180 requires; pyarrow's writer uses LF."""

    def __init__(self, file: IO[bytes]) -> None:
        """Write to `file`."""
        super().__init__()
        self.file = file

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Buffer) -> int:
        """Write `data` and return how many bytes of it were written."""
        self.file.write(bytes(data).replace(b"\n", b"\r\n"))
        return len(memoryview(data))


def as_text(table: pa.Table) -> pa.Table:
    """Return the cells with instants as text, and with zones and segments that no spreadsheet reads as a formula."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    column = table.schema.get_field_index("starts_at")
    instants: Any = table["starts_at"].cast(pa.timestamp("s"))
    instants = pc.strftime(instants, format="%Y-%m-%dT%H:%M:%SZ")
    table = table.set_column(column, "starts_at", instants)
    for name in ("zone", "segment"):
        harmless = pc.replace_substring_regex(table[name], pattern=FORMULA, replacement=r"'\1")
        table = table.set_column(table.schema.get_field_index(name), name, harmless)
    return table


FORMAT: Final = FileFormat(
    code="csv",
    title="CSV",
    about=Words("The same rows as text, instants in UTC."),
    suffix="csv",
    media_type="text/csv",
    write=_write,
)
