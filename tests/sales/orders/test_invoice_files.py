"""What an invoice's file says to people and machines: the norm's schema and rules, PDF/A-3, the cent, the same bytes again."""

import hashlib
import re
import subprocess
import sys
from io import BytesIO
from typing import Any

import pytest
from facturx import get_xml_from_pdf
from lxml import etree
from pypdf import PdfReader

from marketplace.core.web.i18n import language
from marketplace.sales.orders.invoice_pdf import draw
from marketplace.sales.orders.invoice_xml import facturx, ubl
from pricing.money import decimal
from tests.sales.builders.invoices import BUYERS, NET, invoice_document
from tests.support.pdf import check_tagged
from tests.support.schematron import FRANCE, broken_rules, fits_the_schema

RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"


def words_of(pdf: bytes) -> str:
    check_tagged(pdf)
    text = " ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)
    return re.sub(r"[\s\u202f\u00a0]+", " ", text)


@pytest.mark.parametrize("spoken", ["fr", "en"])
@pytest.mark.parametrize("kind", ["invoice", "credit_note"])
@pytest.mark.parametrize("rule", BUYERS)
def test_the_norms_schema_and_every_rule_accept_it(rule: str, kind: str, spoken: str) -> None:
    xml = facturx(invoice_document(rule, kind, spoken))
    assert fits_the_schema(xml)
    assert broken_rules(xml) == []


@pytest.mark.parametrize("kind", ["invoice", "credit_note"])
@pytest.mark.parametrize("rule", ["domestic", "overseas"])
def test_frances_own_rules_accept_what_a_french_company_gets(rule: str, kind: str) -> None:
    found = invoice_document(rule, kind, electronic_address="303265045_FACTURES")
    assert broken_rules(facturx(found), FRANCE) == []


def test_a_buyer_without_an_address_still_gets_a_valid_invoice() -> None:
    xml = facturx(invoice_document(street="", postcode="", city="", reference=""))
    assert fits_the_schema(xml)
    assert broken_rules(xml) == []


@pytest.mark.parametrize(("net", "vat"), [(0, 1), (1, 0), (3, 1), (333, 66), (100_001, 20_001)])
def test_a_part_given_back_makes_a_valid_credit_note_down_to_a_cent(net: int, vat: int) -> None:
    part = invoice_document(kind="credit_note") | {"net_minor": net, "vat_minor": vat, "total_minor": net + vat}
    part["lines"][0]["net_minor"] = net
    assert broken_rules(facturx(part)) == []


@pytest.mark.parametrize(
    "element",
    [
        "GrandTotalAmount",
        "TaxTotalAmount",
        "TaxBasisTotalAmount",
        "LineTotalAmount",
        "CalculatedAmount",
        "BasisAmount",
        "TotalPrepaidAmount",
        "DuePayableAmount",
    ],
)
def test_one_cent_anywhere_breaks_a_rule(element: str) -> None:
    tree = etree.fromstring(facturx(invoice_document()))
    for found in tree.iter(f"{RAM}{element}"):
        cents = int((found.text or "").replace(".", "")) + 1
        changed, found.text = found.text, decimal(cents)
        assert broken_rules(etree.tostring(tree)), f"{element} {changed} → {found.text} is not noticed"
        found.text = changed
    assert broken_rules(etree.tostring(tree)) == []


@pytest.mark.parametrize("rule", BUYERS)
def test_the_xml_inside_is_the_invoice_to_the_cent(rule: str) -> None:
    its = invoice_document(rule)
    name, inside = get_xml_from_pdf(draw(its))
    assert name == "factur-x.xml"
    assert inside == facturx(its)
    tree = etree.fromstring(inside)
    values = {
        tag: [e.text for e in tree.iter(f"{RAM}{tag}")]
        for tag in ("GrandTotalAmount", "TaxTotalAmount", "ChargeAmount")
    }
    assert values["GrandTotalAmount"] == [decimal(its["total_minor"])]
    assert values["TaxTotalAmount"] == [decimal(its["vat_minor"])]
    assert values["ChargeAmount"] == [decimal(NET)]


def test_people_read_what_french_law_wants() -> None:
    text = words_of(draw(invoice_document()))
    for phrase in (
        "Facture",
        "F-2026-000042",
        "24 novembre 2026",
        "23 novembre 2026",
        "SIREN 123456782",
        "TVA FR11123456782",
        "TVA FR40303265045",
        "Łódź & Δέλτα <SA>",
        "12 quai",
        "PO-7788",
        "1 234,57 €",
        "TVA 20 %",
        "246,91 €",
        "1 481,48 €",
        "trois fois l’intérêt légal",
        "40 €",
        "Pas d’escompte",
        "RCS Paris",
        "1 octobre 2026",
        "31 octobre 2026",
    ):
        assert phrase in text, phrase


@pytest.mark.parametrize(
    ("rule", "french", "english"),
    [
        ("reverse_charge", "Autoliquidation", "Reverse charge"),
        ("outside_eu", "259-1", "Outside the scope of French VAT"),
        ("overseas_exempt", "294-1", "French Guiana"),
        ("overseas", "8,50 %", "8.50%"),
    ],
)
def test_people_read_which_vat_and_why(rule: str, french: str, english: str) -> None:
    assert french in words_of(draw(invoice_document(rule)))
    assert english in words_of(draw(invoice_document(rule, spoken="en")))


@pytest.mark.parametrize(
    ("spoken", "days", "length"),
    [
        ("fr", "Données du 2026-10-01 au 2026-10-31", "licence de 36 mois"),
        ("en", "Data from 2026-10-01 to 2026-10-31", "36-month licence"),
    ],
)
def test_each_line_says_its_days_its_part_and_how_long_its_licence_is(spoken: str, days: str, length: str) -> None:
    found = invoice_document(spoken=spoken)
    [line] = found["lines"]
    found["lines"] = [line | {"net_minor": NET - 100}, line | {"months": 36, "net_minor": 100}]
    words = f"{days}, {length}"
    tree = etree.fromstring(facturx(found))
    assert words in {one.text for one in tree.iter(f"{RAM}Description")}
    assert [one.text for one in tree.iter(f"{RAM}ChargeAmount")] == [decimal(NET - 100), decimal(100)]
    assert f">{words}</cbc:Description>" in ubl(found).decode()
    assert length in words_of(draw(found))
    assert broken_rules(facturx(found)) == []
    found["lines"][1]["net_minor"] = 101
    assert broken_rules(facturx(found)), "the lines add up to what is asked"


def test_a_credit_note_names_what_it_corrects() -> None:
    text = words_of(draw(invoice_document(kind="credit_note")))
    assert "Avoir" in text
    assert "rectifie la facture F-2026-000042 du 20 novembre 2026" in text
    tree = etree.fromstring(facturx(invoice_document(kind="credit_note")))
    assert [e.findtext(f"{RAM}IssuerAssignedID") for e in tree.iter(f"{RAM}InvoiceReferencedDocument")] == [
        "F-2026-000042"
    ]


def test_the_file_is_pdf_a_3_with_its_invoice_attached() -> None:
    reader = PdfReader(BytesIO(draw(invoice_document())))
    catalog: Any = reader.trailer["/Root"]
    assert not reader.is_encrypted
    assert reader.trailer["/ID"]
    assert catalog["/Lang"] == "fr"
    [intent] = catalog["/OutputIntents"]
    assert intent.get_object()["/S"] == "/GTS_PDFA1"
    assert intent.get_object()["/DestOutputProfile"].get_object()["/N"] == 3
    [attached] = catalog["/AF"]
    assert attached.get_object()["/AFRelationship"] == "/Alternative"
    assert attached.get_object()["/UF"] == "factur-x.xml"
    assert attached.get_object()["/EF"]["/F"].get_object()["/Subtype"] == "/text/xml"
    metadata = catalog["/Metadata"].get_object().get_data().decode()
    values = {element.tag.rpartition("}")[2]: element.text for element in etree.fromstring(metadata.encode()).iter()}
    assert (values["part"], values["conformance"]) == ("3", "B")
    assert (values["DocumentFileName"], values["DocumentType"]) == ("factur-x.xml", "INVOICE")
    assert (values["Version"], values["ConformanceLevel"]) == ("1.0", "EN 16931")
    assert values["namespaceURI"] == "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
    assert ">Facture F-2026-000042<" in metadata
    assert values["CreateDate"] == "2026-11-24T12:00:00+00:00"
    assert reader.metadata is None, "an information dictionary could say otherwise than the XMP"
    for page in reader.pages:
        fonts: Any = page["/Resources"]["/Font"]  # type: ignore[index]
        for font in fonts.values():
            [inner] = font.get_object()["/DescendantFonts"]
            assert "/FontFile2" in inner.get_object()["/FontDescriptor"]
            assert "/ToUnicode" in font.get_object()


def test_the_same_document_gives_the_same_bytes_in_any_process_and_any_page_language() -> None:
    here = draw(invoice_document("reverse_charge", "credit_note", "en"))
    language.set("fr")
    try:
        assert draw(invoice_document("reverse_charge", "credit_note", "en")) == here
    finally:
        language.set("en")
    program = (
        "import hashlib, sys; sys.path.insert(0, '.');"
        "from marketplace.sales.orders.invoice_pdf import draw;"
        "from tests.sales.builders.invoices import invoice_document as document;"
        "print(hashlib.sha256(draw(document('reverse_charge', 'credit_note', 'en'))).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == hashlib.sha256(here).hexdigest()
    assert draw(invoice_document("reverse_charge", "invoice", "en")) != here
