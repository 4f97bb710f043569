"""What a PDF shows, and whether it is tagged for those who hear it read."""

import io
import re
from typing import Any

from pypdf import PdfReader
from pypdf.generic import ContentStream

SHOWS = {b"Tj", b"TJ", b"'", b'"', b"S", b"s", b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*", b"Do", b"sh"}
"""Operators that put something on a page."""


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
