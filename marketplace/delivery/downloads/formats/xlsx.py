"""XLSX: the same rows in a spreadsheet, with a second sheet that explains them.

Source: ECMA-376, SpreadsheetML. Text is written in the cell itself, never as a formula. The zip has no time stamps, so
that the same cells are the same bytes.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from marketplace.core.errors import Conflict
from marketplace.core.words import Words
from marketplace.delivery.downloads.formats.file_format import FileFormat, FileInput
from marketplace.privacy.dictionary import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MOST_ROWS: Final = 1_048_576
"""Rows of a sheet, its heading included: Excel's limit."""
MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
KIND: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
HEADING: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
DAY_US: Final = 86_400_000_000
EPOCH_DAYS: Final = 25_569
"""Days from Excel's day 0, 30 December 1899, to 1 January 1970."""
TITLES: Final = ("Cells", "What a row says")
FIXED: Final = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{KIND}.styles+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{KIND}.worksheet+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet2.xml" ContentType="{KIND}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets>'
    + "".join(f'<sheet name="{title}" sheetId="{at}" r:id="r{at}"/>' for at, title in enumerate(TITLES, 1))
    + "</sheets></workbook>",
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="r2" Type="{RELATIONS}/worksheet" Target="worksheets/sheet2.xml"/>'
    f'<Relationship Id="r3" Type="{RELATIONS}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet xmlns="{MAIN}">'
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm"/></numFmts>'
    '<fonts count="1"><font/></fonts><fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="2"><xf/><xf numFmtId="164" applyNumberFormat="1"/></cellXfs></styleSheet>',
}


def _check(given: FileInput) -> None:
    if given.row_count >= MOST_ROWS:
        raise Conflict(
            "A sheet holds {most} rows and this release has {count}: download it as CSV or Parquet.",
            most=MOST_ROWS - 1,
            count=given.row_count,
        )


def _write(given: FileInput, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
        for name, text in FIXED.items():
            book.writestr(zipfile.ZipInfo(name), HEADING + text)
        for number, rows in ((1, _cells(given)), (2, _dictionary(given))):
            with book.open(zipfile.ZipInfo(f"xl/worksheets/sheet{number}.xml"), "w", force_zip64=True) as sheet:
                sheet.write(f'{HEADING}<worksheet xmlns="{MAIN}"><sheetData>'.encode())
                for row in rows:
                    sheet.write(row.encode())
                sheet.write(b"</sheetData></worksheet>")


def _cells(given: FileInput) -> Iterator[str]:
    """Yield the heading, then a batch of rows at a time."""
    import pyarrow as pa  # noqa: PLC0415

    yield _row(column.name for column in given.columns)
    for table in given.batches():
        columns: Any = table.set_column(1, "starts_at", table["starts_at"].cast(pa.int64())).to_pydict()
        zones, segments = map(_text, columns["zone"]), map(_text, columns["segment"])
        yield "".join(
            f'<row>{zone}<c s="1"><v>{start / DAY_US + EPOCH_DAYS:.9f}</v></c>{segment}<c><v>{seen}</v></c><c><v>{count}</v></c></row>'
            for zone, start, segment, seen, count in zip(
                zones, columns["starts_at"], segments, columns["people"], columns["events"], strict=True
            )
        )


def _dictionary(given: FileInput) -> Iterator[str]:
    """Yield the explanation of a row: each column's meaning in both languages, then the facts of the release."""
    yield _row(("column", "unit", "English", "français"))
    for column in given.columns:
        yield _row((column.name, column.unit.en, column.meaning.en, column.meaning.fr))
    yield _row(("", "", ABSENT.en, ABSENT.fr))
    for _, name, fact in given.facts:
        yield _row(("", fact, name.en, name.fr))


def _row(texts: Iterable[str]) -> str:
    return f"<row>{''.join(map(_text, texts))}</row>"


def _text(value: str) -> str:
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'


FORMAT: Final = FileFormat(
    code="xlsx",
    title="Excel",
    about=Words("A workbook of up to 1,048,575 rows; its second sheet says what a row says."),
    suffix="xlsx",
    media_type=f"{KIND}.sheet",
    write=_write,
    check=_check,
)
