"""The structure of a PDF document: headings, paragraphs and cells of tables on its pages, in reading order.

fpdf2 writes a flat structure, for pictures only. This tree is nested, and replaces fpdf2's by the three names that its
output uses. Source: ISO 32000-1, 14.7 and 14.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from fpdf.syntax import PDFObject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fpdf.encryption import StandardSecurityHandler

Kind: TypeAlias = Literal["Document", "H1", "H2", "P", "Table", "TR", "TH", "TD"]
Scope: TypeAlias = Literal["Row", "Column"]


class PageMarks:
    """The marks of one page: the element of each, by its number on the page."""

    def __init__(self, number: int, index: int) -> None:
        """Begin without marks. number: of the page, from 1; index: of the page among those with marks, from 0."""
        self.number, self.index = number, index
        self.elements: list[Element] = []
        self.pg: PDFObject | None = None
        """The page's object, which fpdf2 sets when it writes the file."""

    def page_number(self) -> int:
        """Return the number of the page; fpdf2 calls it."""
        return self.number


class Element(PDFObject):
    """An element of the structure: its kind, and its children in order, elements and marks on pages."""

    def __init__(self, kind: Kind, parent: PDFObject, scope: Scope | None = None) -> None:
        """Begin an element without content. scope: whether a TH is the heading of a row or a column."""
        super().__init__()
        self.kind, self.parent, self.scope = kind, parent, scope
        self.kids: list[Element | tuple[PageMarks, int]] = []

    def serialize(
        self,
        obj_dict: dict[str, object] | None = None,  # noqa: ARG002 (fpdf2's signature)
        _security_handler: StandardSecurityHandler | None = None,
    ) -> str:
        """Return the object's text in the file."""
        entries: dict[str, object] = {
            "/Type": "/StructElem",
            "/S": f"/{self.kind}",
            "/P": self.parent.ref,
            "/K": f"[{' '.join(_kid(kid) for kid in self.kids)}]",
        }
        if self.scope:
            entries["/A"] = f"<</O /Table /Scope /{self.scope}>>"
        return super().serialize(entries)


def _kid(kid: Element | tuple[PageMarks, int]) -> str:
    if isinstance(kid, Element):
        return kid.ref
    page, number = kid
    assert page.pg is not None, "fpdf2 names the pages before it writes the structure"
    return f"<</Type /MCR /Pg {page.pg.ref} /MCID {number}>>"


class _Root(PDFObject):
    """The root of the structure."""

    def __init__(self, tree: Structure) -> None:
        super().__init__()
        self.tree = tree

    def serialize(
        self,
        obj_dict: dict[str, object] | None = None,  # noqa: ARG002 (fpdf2's signature)
        _security_handler: StandardSecurityHandler | None = None,
    ) -> str:
        """Return the object's text in the file."""
        tree = self.tree
        return super().serialize(
            {"/Type": "/StructTreeRoot", "/K": f"[{tree.document.ref}]", "/ParentTree": tree.parents.ref}
        )


class _Parents(PDFObject):
    """The element of each mark of a page."""

    def __init__(self, tree: Structure) -> None:
        super().__init__()
        self.tree = tree

    def serialize(
        self,
        obj_dict: dict[str, object] | None = None,  # noqa: ARG002 (fpdf2's signature)
        _security_handler: StandardSecurityHandler | None = None,
    ) -> str:
        """Return the object's text in the file."""
        pages = (f"{page.index} [{' '.join(one.ref for one in page.elements)}]" for page in self.tree.pages.values())
        return super().serialize({"/Nums": f"[{' '.join(pages)}]"})


class _Pages:
    """The list by which fpdf2 finds the object of each page."""

    def __init__(self, tree: Structure) -> None:
        self.tree = tree

    @property
    def k(self) -> list[PageMarks]:
        """Return the pages with marks."""
        return list(self.tree.pages.values())


class Structure:
    """The tree of one document, in place of fpdf2's StructureTreeBuilder."""

    def __init__(self) -> None:
        """Begin with an empty document."""
        self.pages: dict[int, PageMarks] = {}
        self.root, self.parents, self.doc_struct_elem = _Root(self), _Parents(self), _Pages(self)
        self.document = Element("Document", self.root)
        self.elements = [self.document]

    def add(self, kind: Kind, parent: Element, scope: Scope | None = None) -> Element:
        """Add an element to another and return it."""
        element = Element(kind, parent, scope)
        parent.kids.append(element)
        self.elements.append(element)
        return element

    def mark(self, element: Element, page_number: int) -> tuple[int, int]:
        """Add a mark on a page to an element; return its number on the page, and the page's among those with marks."""
        page = self.pages.setdefault(page_number, PageMarks(page_number, len(self.pages)))
        number = len(page.elements)
        page.elements.append(element)
        element.kids.append((page, number))
        return number, page.index

    def empty(self) -> bool:
        """Return whether the tree is empty; fpdf2 calls it."""
        return not self.pages

    def __iter__(self) -> Iterator[PDFObject]:
        """Yield every object of the tree, its root first; fpdf2 calls it."""
        yield self.root
        yield self.parents
        yield from self.elements
