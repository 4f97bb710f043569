"""PDF documents are tagged: language, title, headings and tables as what they are, in order, over pages; nothing untagged."""

import datetime as dt

from marketplace.core.web.pdf import PdfDocument
from tests.support.pdf import check_tagged


def drawn_document() -> bytes:
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


def test_a_document_is_tagged_as_what_it_is() -> None:
    kind, *parts = check_tagged(drawn_document())
    assert kind == "/Document"
    kinds = [part[0] for part in parts]
    assert kinds == ["/P", "/H1", "/P", "/P", "/H2", "/P", "/P", "/H2", "/P", "/H2", "/Table", "/P"]
    table = parts[10]
    assert [[cell[0] for cell in row[1:]] for row in table[1:3]] == [["/TH", "/TH", "/TD"], ["/TH", "/TD", "/TD"]]
    assert len(table) == 42
    assert len(parts[-1]) == 3, "a paragraph over two pages is one element with two marks"


def test_the_same_words_are_the_same_bytes() -> None:
    assert drawn_document() == drawn_document()
