"""PDF documents: A4 in PDF/A-3, tagged, with embedded fonts, the same bytes for the same words.

The caller gives the day of a document; nothing else depends on the moment. Source: ISO 19005-3.
"""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any, Final

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.prefs import ViewerPreferences

from marketplace.core.web.pdf_tags import Structure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from marketplace.core.web.pdf_tags import Element, Kind, Scope

FONTS: Final = {"": "SourceSansPro-Regular.ttf", "B": "SourceSansPro-Semibold.ttf"}
INK, MUTED, LINE, ACCENT = (18, 32, 29), (82, 98, 94), (223, 230, 227), (11, 110, 100)
MARGIN, WIDTH, FOOT = 18, 174, 24
"""Millimetres: left and right margins, the width between them, and the height of the footer."""
PRODUCER: Final = "Partage"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside the document with the same content, for machines."""

    name: str
    data: bytes
    description: str
    xmp: str
    """Its entry in the document's metadata: RDF descriptions."""


class PdfDocument(FPDF):
    """One document: headings, facts, tables, sentences, from top to bottom; pages break by themselves.

    Each element is tagged with its kind, so that a screen reader reads the document in order and a table cell by cell.
    Lines and the foot of a page are artifacts, which it skips.
    """

    def __init__(self, title: str, *, language: str, day: dt.date, footer: str, subject: str = "") -> None:
        """Begin the first page. footer: one line or more at the foot of each page."""
        super().__init__(format="A4", enforce_compliance="PDF/A-3B")
        self.words = footer
        self.structure = Structure()
        self.struct_builder: Any = self.structure
        self._open: list[Element] = [self.structure.document]
        self._marked: Element | None = None
        """The element whose content is being written."""
        self.viewer_preferences = ViewerPreferences(display_doc_title=True)
        self.title_text, self.subject_text = title, subject
        self.day = dt.datetime.combine(day, dt.time(12), dt.UTC)
        self.set_creation_date(self.day)
        self.set_title(title)
        self.set_subject(subject or title)
        self.set_author(PRODUCER)
        self.set_creator(PRODUCER)
        self.set_producer(PRODUCER)
        self.set_lang(language)
        for style, name in FONTS.items():
            with as_file(files("font_source_sans_pro") / "files" / name) as path:
                self.add_font("paper", style, path)
        self.set_margins(MARGIN, MARGIN, MARGIN)
        self.set_auto_page_break(auto=True, margin=FOOT + 4)
        self.add_page()

    def add_page(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 (fpdf's signature)
        """Begin a page; the current element continues there, under the same tag."""
        marked, self._marked = self._marked, None
        if marked:
            self._out("EMC")
        super().add_page(*given, **named)
        if marked:
            self._mark(marked)

    def footer(self) -> None:
        """Write the foot of a page; fpdf calls it."""
        self.set_y(-FOOT)
        self._line()
        self.set_y(-FOOT + 2)
        self.ink(MUTED, 7.5)
        with self._artifact():
            self.multi_cell(WIDTH - 20, 3.4, self.words, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
            self.set_xy(-MARGIN - 20, -FOOT + 2)
            self.cell(20, 3.4, f"{self.page_no()} / {{nb}}", align="R")

    @contextmanager
    def _part(self, kind: Kind, scope: Scope | None = None) -> Iterator[Element]:
        """Make everything tagged in the block a part of one element."""
        element = self.structure.add(kind, self._open[-1], scope)
        self._open.append(element)
        try:
            yield element
        finally:
            self._open.pop()

    @contextmanager
    def _text(self, kind: Kind, scope: Scope | None = None) -> Iterator[None]:
        """Make the text written in the block the content of one element."""
        with self._part(kind, scope) as element:
            self._mark(element)
            yield
            self._marked = None
            self._out("EMC")

    def _mark(self, element: Element) -> None:
        number, index = self.structure.mark(element, self.page)
        self.pages[self.page].struct_parents = index
        self._marked = element
        self._out(f"/{element.kind} <</MCID {number}>> BDC")

    @contextmanager
    def _artifact(self) -> Iterator[None]:
        """Make screen readers skip the text written in the block."""
        self._out("/Artifact BMC")
        yield
        self._out("EMC")

    def ink(self, colour: tuple[int, int, int], size: float, style: str = "") -> None:
        """Set the pen."""
        self.set_text_color(*colour)
        self.set_font("paper", style, size)

    def _line(self, start: float = MARGIN) -> None:
        self.set_draw_color(*LINE)
        self.set_line_width(0.2)
        with self._artifact():
            self.line(start, self.get_y(), MARGIN + WIDTH, self.get_y())

    def head(self, brand: str, title: str, *, aside: Sequence[str] = ()) -> None:
        """Write the sender, the title, and at the right the document's identification."""
        top = self.get_y()
        self.ink(ACCENT, 13, "B")
        with self._text("P"):
            self.cell(WIDTH / 2, 7, brand, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ink(INK, 20, "B")
        with self._text("H1"):
            self.cell(WIDTH / 2, 11, title)
        for position, text in enumerate(aside):
            self.set_xy(MARGIN + WIDTH / 2, top + 1.5 + 5 * position)
            self.ink(INK if position == 0 else MUTED, 11 if position == 0 else 9.5, "B" if position == 0 else "")
            with self._text("P"):
                self.cell(WIDTH / 2, 5, text, align="R")
        self.set_xy(MARGIN, max(top + 22, top + 5 + 5 * len(aside)))

    def parties(self, *columns: tuple[str, Sequence[str]]) -> None:
        """Write blocks side by side: a small heading and its lines each."""
        top, width, lowest = self.get_y(), WIDTH / len(columns), self.get_y()
        for number, (heading, lines) in enumerate(columns):
            self.set_xy(MARGIN + number * width, top)
            self.ink(MUTED, 8.5, "B")
            with self._text("H2"):
                self.cell(width - 6, 5, heading)
            self.set_xy(MARGIN + number * width, top + 5.5)
            for position, line in enumerate(lines):
                self.ink(INK, 10, "B" if position == 0 else "")
                self.set_x(MARGIN + number * width)
                with self._text("P"):
                    self.multi_cell(width - 6, 4.8, line, align="L", new_x=XPos.LEFT, new_y=YPos.NEXT)
            lowest = max(lowest, self.get_y())
        self.set_xy(MARGIN, lowest + 6)

    def heading(self, text: str) -> None:
        """Write a heading within the page."""
        self.ink(INK, 12, "B")
        with self._text("H2"):
            self.cell(WIDTH, 8, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def sentence(self, text: str, *, size: float = 9, muted: bool = True) -> None:
        """Write a paragraph."""
        self.ink(MUTED if muted else INK, size)
        with self._text("P"):
            self.multi_cell(WIDTH, size * 0.48, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1.2)

    def rows(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[float], *, totals: int = 0
    ) -> None:
        """Write a table whose first column is text and whose others are figures; the last `totals` rows are bold.

        widths: parts of the page's width, which add up to 1 at most.
        """
        with self._part("Table"):
            if any(headings):
                self._row(headings, widths, MUTED, 8.5, "B", scope="Column")
            for number, row in enumerate(rows):
                strong = number >= len(rows) - totals
                self._row(row, widths, INK, 9.5, "B" if strong else "", scope="Row")
        self.ln(4)

    def _row(
        self,
        cells: Sequence[str],
        widths: Sequence[float],
        colour: tuple[int, int, int],
        size: float,
        style: str,
        *,
        scope: Scope,
    ) -> None:
        self.ink(colour, size, style)
        start = MARGIN + WIDTH * (1 - sum(widths))  # a narrow table is at the right
        lines = self.multi_cell(WIDTH * widths[0] - 4, 4.6, cells[0], dry_run=True, output="LINES", align="L")
        assert isinstance(lines, list)
        height = max(len(lines), 1) * 4.6 + 3
        if self.get_y() + height > self.h - FOOT - 4:
            self.add_page()
            self.ink(colour, size, style)
        top = self.get_y()
        with self._part("TR"):
            self.set_xy(start, top + 1.5)
            with self._cell(cells[0], scope):
                self.multi_cell(WIDTH * widths[0] - 4, 4.6, cells[0], align="L")
            left = start + WIDTH * widths[0]
            for cell, width in zip(cells[1:], widths[1:], strict=True):
                self.set_xy(left, top + 1.5)
                with self._cell(cell, scope if scope == "Column" else None):
                    self.cell(WIDTH * width, 4.6, cell, align="R")
                left += WIDTH * width
        self.set_xy(MARGIN, top + height)
        self._line(start)

    def _cell(self, text: str, scope: Scope | None) -> AbstractContextManager[None]:
        """Tag a cell: those in the first column and above a column are headings, unless they are empty."""
        return self._text("TH", scope) if scope and text else self._text("TD")

    def finish(self, attachment: Attachment | None = None) -> bytes:
        """Return the file."""
        if attachment is not None:
            self.embed_file(
                bytes=attachment.data,
                basename=attachment.name,
                desc=attachment.description,
                mime_type="text/xml",
                associated_file_relationship="Alternative",
                modification_date=self.day,
                compress=True,
                checksum=True,
            )
        self.set_xmp_metadata(self._metadata(attachment.xmp if attachment else ""))
        return bytes(self.output())

    def _metadata(self, more: str) -> str:
        """Return the document's XMP, which repeats its information dictionary."""
        at = self.day.isoformat(timespec="seconds")
        return f"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"><pdfaid:part>3</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance></rdf:Description>
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">{escape(self.title_text)}</rdf:li></rdf:Alt></dc:title><dc:creator><rdf:Seq><rdf:li>{PRODUCER}</rdf:li></rdf:Seq></dc:creator><dc:description><rdf:Alt><rdf:li xml:lang="x-default">{escape(self.subject_text or self.title_text)}</rdf:li></rdf:Alt></dc:description></rdf:Description>
<rdf:Description rdf:about="" xmlns:pdf="http://ns.adobe.com/pdf/1.3/"><pdf:Producer>{PRODUCER}</pdf:Producer></rdf:Description>
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"><xmp:CreatorTool>{PRODUCER}</xmp:CreatorTool><xmp:CreateDate>{at}</xmp:CreateDate></rdf:Description>
{more}</rdf:RDF></x:xmpmeta>"""
