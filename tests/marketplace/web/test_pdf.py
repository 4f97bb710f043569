"""PDF documents are tagged: language, title, headings and tables as what they are, in order, over pages; nothing untagged."""

from __future__ import annotations

import datetime as dt
import io
import re
from typing import Any

from pypdf import PdfReader
from pypdf.generic import ContentStream

from marketplace.web.pdf import PdfDocument

SHOWS = {b"Tj", b"TJ", b"'", b'"', b"S", b"s", b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*", b"Do", b"sh"}
"""Operators that put something on a page."""


def drawn() -> bytes:
    """Return a document of two pages whose table is on both, and whose last paragraph begins on one and ends on the next."""
    document = PdfDocument("Facture F-2026-000001", language="fr", day=dt.date(2026, 11, 27), footer="Partage SAS")
    document.head("Partage", "Facture", aside=["F-2026-000001", "27 novembre 2026"])
    document.parties(("Vendeur", ["Partage SAS", "Lyon"]), ("Client", ["Acme"]))
    document.heading("Détail")
    document.rows(
        ["Quoi", "Combien", ""], [[f"Ligne {n}", f"{n},00 €", "x"] for n in range(40)], [0.6, 0.2, 0.2], totals=1
    )
    document.sentence("Une phrase assez longue. " * 300)
    return document.finish()


def structure(element: Any) -> list[Any]:
    """Return an element as its kind and what it has; marks on pages as their number."""
    kids = [kid.get_object() for kid in element["/K"]]
    return [element["/S"], *(kid["/MCID"] if kid.get("/Type") == "/MCR" else structure(kid) for kid in kids)]


def check_tagged(data: bytes) -> list[Any]:
    """Check that a document says its language and title, and that everything on it is tagged once; return its structure."""
    reader = PdfReader(io.BytesIO(data))
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert re.fullmatch(r"fr.*|en.*", str(root["/Lang"]))
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert reader.xmp_metadata
    assert (reader.xmp_metadata.dc_title or {})["x-default"]
    tree = root["/StructTreeRoot"]
    numbers = tree["/ParentTree"]["/Nums"]
    parents = {numbers[at]: numbers[at + 1] for at in range(0, len(numbers), 2)}
    for page in reader.pages:
        marks, depth = [], 0
        for operands, operator in ContentStream(page["/Contents"].get_object(), reader).operations:
            if operator in (b"BDC", b"BMC"):
                assert depth == 0, "no mark is inside another"
                depth += 1
                marks += [operands[1]["/MCID"]] if operator == b"BDC" else []
            elif operator == b"EMC":
                depth -= 1
            assert depth or operator not in SHOWS, "nothing is shown that is neither tagged nor an artifact"
        assert depth == 0
        assert marks == list(range(len(marks)))
        elements = [one.get_object() for one in parents[page["/StructParents"]]]
        assert len(elements) == len(marks)
        for number, element in enumerate(elements):
            assert any(kid.get_object().get("/MCID") == number for kid in element["/K"])
    (document,) = tree["/K"]
    return structure(document.get_object())


def test_a_document_is_tagged_as_what_it_is() -> None:
    kind, *parts = check_tagged(drawn())
    assert kind == "/Document"
    kinds = [part[0] for part in parts]
    assert kinds == ["/P", "/H1", "/P", "/P", "/H2", "/P", "/P", "/H2", "/P", "/H2", "/Table", "/P"]
    table = parts[10]
    assert [[cell[0] for cell in row[1:]] for row in table[1:3]] == [["/TH", "/TH", "/TD"], ["/TH", "/TD", "/TD"]]
    assert len(table) == 42
    assert len(parts[-1]) == 3, "a paragraph over two pages is one element with two marks"


def test_the_same_words_are_the_same_bytes() -> None:
    assert drawn() == drawn()
