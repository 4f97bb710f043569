"""An invoice or credit note for people, in PDF/A-3 with its Factur-X inside; drawn from its document alone.

The same document gives the same bytes: it reads no clock, no setting and no database.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from marketplace.core.web import formats
from marketplace.core.web.i18n import language
from marketplace.core.web.pdf import Attachment, PdfDocument
from marketplace.sales.orders.invoice_words import VAT_REASONS, day, is_due, line_words, notes, phrase
from marketplace.sales.orders.invoice_xml import NAME, facturx

if TYPE_CHECKING:
    from collections.abc import Mapping

PROPERTIES: Final = (
    ("DocumentFileName", "The name of the embedded XML document"),
    ("DocumentType", "The type of the hybrid document in capital letters, e.g. INVOICE or ORDER"),
    ("Version", "The actual version of the standard applying to the embedded XML document"),
    ("ConformanceLevel", "The conformance level of the embedded XML document"),
)
VALUES: Final = {"DocumentFileName": NAME, "DocumentType": "INVOICE", "Version": "1.0", "ConformanceLevel": "EN 16931"}
SPACE: Final = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"


def draw(document: Mapping[str, Any]) -> bytes:
    """Return the document's file."""
    token = language.set(document["language"])
    try:
        return _draw(document)
    finally:
        language.reset(token)


def _draw(document: Mapping[str, Any]) -> bytes:
    seller, currency, words = document["seller"], document["currency"], notes(document)
    kind = phrase(document, document["kind"])
    pdf = PdfDocument(
        f"{kind} {document['number']}",
        language=document["language"],
        day=dt.date.fromisoformat(document["issued_on"]),
        footer=f"{words['register']} · {phrase(document, 'siren', siren=seller['siren'])} · {words['vat_number']}\n"
        f"{seller['street']}, {seller['postcode']} {seller['city']}, France\n{phrase(document, 'machine')}",
        subject=f"{kind} {document['number']} · {seller['name']}",
    )
    aside = [document["number"], phrase(document, "issued", day=day(document["issued_on"]))]
    if document["corrects"]:
        its = document["corrects"]
        aside.append(phrase(document, "corrects", number=its["number"], day=day(its["issued_on"])))
    pdf.head("Partage", kind, aside=[*aside, phrase(document, "order", order=document["order"])])
    pdf.parties((phrase(document, "seller"), _seller(document)), (phrase(document, "buyer"), _buyer(document)))

    def money(minor: int) -> str:
        return formats.money(minor, currency)

    lines = []
    for line in document["lines"]:
        title, described = line_words(document, line, day)
        lines.append([f"{title}\n{described}", "1", money(line["net_minor"]), money(line["net_minor"])])
    net, vat, total = (money(document[f"{part}_minor"]) for part in ("net", "vat", "total"))
    pdf.rows(
        [phrase(document, "what"), phrase(document, "quantity"), phrase(document, "unit"), phrase(document, "net")],
        lines,
        [0.52, 0.08, 0.2, 0.2],
    )
    rate = document["vat_basis_points"]
    vat_label = phrase(document, "vat", rate=formats.percent_basis_points(rate)) if rate else phrase(document, "no_vat")
    settled_minor = 0 if is_due(document) else document["total_minor"]
    given_back = "deducted" if "due_on" in document else "given_back"
    settled = phrase(document, given_back if document["kind"] == "credit_note" else "settled")
    pdf.rows(
        ["", ""],
        [
            [phrase(document, "net"), net],
            [vat_label, vat],
            [phrase(document, "total"), total],
            [settled, money(-settled_minor)],
            [phrase(document, "due"), money(document["total_minor"] - settled_minor)],
        ],
        [0.28, 0.2],
        totals=1,
    )
    if reason := VAT_REASONS.get(document["vat_rule"]):
        pdf.sentence(reason[document["language"]], muted=False)
    pdf.sentence(document.get("unpaid") or words["paid"], muted=False)
    pdf.sentence(phrase(document, "delivered", day=day(document["delivered_on"])))
    for name in ("late", "recovery", "discount"):
        pdf.sentence(words[name], size=8)
    return pdf.finish(Attachment(NAME, facturx(document), "Factur-X", _metadata()))


def _seller(document: Mapping[str, Any]) -> list[str]:
    seller = document["seller"]
    return [
        seller["name"],
        seller["street"],
        f"{seller['postcode']} {seller['city']}",
        "France",
        phrase(document, "siren", siren=seller["siren"]),
        phrase(document, "vat_number", number=seller["vat_number"]),
    ]


def _buyer(document: Mapping[str, Any]) -> list[str]:
    buyer = document["buyer"]
    lines = [
        buyer["name"],
        buyer["street"],
        f"{buyer['postcode']} {buyer['city']}".strip(),
        formats.country(buyer["country"]),
    ]
    if buyer["vat_number"]:
        lines.append(phrase(document, "vat_number", number=buyer["vat_number"]))
    if buyer["reference"]:
        lines.append(phrase(document, "reference", reference=buyer["reference"]))
    lines += [phrase(document, act, name=buyer[act]) for act in ("ordered_by", "approved_by") if buyer.get(act)]
    return [line for line in lines if line]


def _metadata() -> str:
    """Return the PDF's XMP for the XML inside: its values, and the schema that PDF/A requires for them."""
    values = "".join(f"<fx:{name}>{value}</fx:{name}>" for name, value in VALUES.items())
    described = "".join(
        f'<rdf:li rdf:parseType="Resource"><pdfaProperty:name>{name}</pdfaProperty:name>'
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType><pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>{text}</pdfaProperty:description></rdf:li>"
        for name, text in PROPERTIES
    )
    return (
        f'<rdf:Description rdf:about="" xmlns:fx="{SPACE}">{values}</rdf:Description>'
        '<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/" '
        'xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">'
        '<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">'
        "<pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>"
        f"<pdfaSchema:namespaceURI>{SPACE}</pdfaSchema:namespaceURI><pdfaSchema:prefix>fx</pdfaSchema:prefix>"
        f"<pdfaSchema:property><rdf:Seq>{described}</rdf:Seq></pdfaSchema:property>"
        "</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>"
    )
