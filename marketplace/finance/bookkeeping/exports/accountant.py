"""CSV: the lines of a FEC with the columns that an accountant's own software imports, in its order."""

from __future__ import annotations

import csv
import io
from typing import Final

from marketplace.core.errors import Invalid
from marketplace.core.settings import settings
from marketplace.core.words import Words
from marketplace.finance.bookkeeping.exports import fec_rules
from marketplace.finance.bookkeeping.exports.fec import copy_lines
from marketplace.finance.bookkeeping.exports.format import Days, ExportFormat, ExportWriter


async def _write(out: ExportWriter, days: Days) -> None:
    columns = settings().export_columns.split()
    if not columns or not set(columns) <= set(fec_rules.COLUMNS):
        raise Invalid("EXPORT_COLUMNS names a column that a FEC does not have.")
    places = [fec_rules.COLUMNS.index(column) for column in columns]

    async def choose(data: bytes) -> None:
        lines = io.StringIO()
        writer = csv.writer(lines, delimiter=";", lineterminator="\n")
        for line in data.decode().splitlines():
            cells = line.split("\t")
            writer.writerow([cells[place] for place in places])
        await out.write(lines.getvalue().encode())

    await out.write_lines(";".join(columns))
    await copy_lines(days, choose)


FORMAT: Final = ExportFormat(
    code="accountant",
    title="CSV",
    about=Words("For the accountant’s own software: its columns in its order, with its numbers of accounts."),
    write=_write,
    name_of=lambda days: f"partage-{days.first}-{days.last}.csv",
)
