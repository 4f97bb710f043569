"""An invoice or credit note as Factur-X: the same document as the PDF, in UN/CEFACT's XML, profile EN 16931.

Amounts are written from whole cents and never pass through a float. Source: EN 16931-1; Factur-X 1.09; UNTDID 1001
(380 invoice, 381 credit note) and 5305 (S, E, AE, O: which VAT).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.sales.orders.invoice_words import VAT_REASONS, is_due, line_words, notes
from pricing.money import decimal

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = "factur-x.xml"
CATEGORIES: Final = {
    "domestic": "S",
    "overseas": "S",
    "unverified": "S",
    "reverse_charge": "AE",
    "overseas_exempt": "E",
    "outside_eu": "O",
}
EXEMPTION_CODES: Final = {"reverse_charge": "VATEX-EU-AE", "outside_eu": "VATEX-EU-O"}
TYPES: Final = {"invoice": "380", "credit_note": "381"}
SIREN_SCHEME, ELECTRONIC_SCHEME, ONE_PIECE, WHOLE_BASIS_POINTS = "0002", "0225", "C62", 100
NOTHING_AGREED: Final = "1"
"""UNTDID 4461: no particular means of payment is requested; it has been paid."""
SEPA_TRANSFER: Final = "58"


def rate(basis_points: int) -> str:
    """Write basis points as a percentage: 850 → 8.50."""
    return f"{basis_points // WHOLE_BASIS_POINTS}.{basis_points % WHOLE_BASIS_POINTS:02d}"


def ubl(document: Mapping[str, Any]) -> bytes:
    """Return the document as UBL 2.1, valid against its schema: partners elsewhere may ask for it."""
    return _write(document, "ubl-2.1")


def facturx(document: Mapping[str, Any]) -> bytes:
    """Return the document's XML, valid against the profile's schema."""
    return _write(document, "factur-x")


def _write(document: Mapping[str, Any], flavor: str) -> bytes:
    """Return the document's XML in a syntax of the norm, valid against the syntax's schema."""
    from facturx import generate_xml  # noqa: PLC0415 (half a second that a command which starts need not wait for)

    xml: bytes = generate_xml(_terms(document), flavor=flavor, level="en16931", check_xsd=True, check_schematron=False)
    return xml


def _terms(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the business terms (BT) and groups (BG) of the norm."""
    outside = document["vat_rule"] == "outside_eu"
    net, vat, total = (decimal(document[f"{part}_minor"]) for part in ("net", "vat", "total"))
    breakdown = {"BT-116": net, "BT-117": vat, "BT-118": CATEGORIES[document["vat_rule"]]}
    line_vat = {"BT-151": breakdown["BT-118"]}
    if not outside:
        breakdown["BT-119"] = line_vat["BT-152"] = rate(document["vat_basis_points"])
    if reason := VAT_REASONS.get(document["vat_rule"]):
        breakdown["BT-120"] = reason[document["language"]]
    if code := EXEMPTION_CODES.get(document["vat_rule"]):
        breakdown["BT-121"] = code
    terms: dict[str, Any] = {
        "BT-1": document["number"],
        "BT-2": document["issued_on"],
        "BT-3": TYPES[document["kind"]],
        "BT-5": document["currency"],
        "BT-13": document["order"],
        "BT-20": notes(document)["paid"],
        "BT-23": "S1",
        "BT-72": document["delivered_on"],
        "BT-81": NOTHING_AGREED,
        "BT-106": net,
        "BT-109": net,
        "BT-110": vat,
        "BT-112": total,
        "BT-113": total,
        "BT-115": decimal(0),
        "BG-1": [{"BT-21": code, "BT-22": text} for code, text in _legal_notes(document, outside=outside)],
        "BG-4": _seller(document, outside=outside),
        "BG-7": _buyer(document, outside=outside),
        "BG-23": [breakdown],
        "BG-25": [_line(document, line, place) | line_vat for place, line in enumerate(document["lines"], 1)],
    }
    if is_due(document):
        terms |= {"BT-9": document["due_on"], "BT-113": decimal(0), "BT-115": total}
        if document["pay_to"]["iban"]:
            account = document["pay_to"]
            terms |= {"BT-81": SEPA_TRANSFER, "BT-84": account["iban"], "BT-85": account["name"]}
    if document["buyer"]["reference"]:
        terms["BT-10"] = document["buyer"]["reference"]
    if document["corrects"]:
        terms["BG-3"] = [{"BT-25": document["corrects"]["number"], "BT-26": document["corrects"]["issued_on"]}]
    return terms


def _line(document: Mapping[str, Any], line: Mapping[str, Any], place: int) -> dict[str, Any]:
    """Return the terms of one line, without its VAT."""
    title, description = line_words(document, line)
    net = decimal(line["net_minor"])
    return {
        "BT-126": str(place),
        "BT-129": "1",
        "BT-130": ONE_PIECE,
        "BT-131": net,
        "BT-146": net,
        "BT-153": title,
        "BT-154": description,
    }


def _legal_notes(document: Mapping[str, Any], *, outside: bool) -> list[tuple[str, str]]:
    """Return the mentions that the French commercial code requires, each with its UNTDID 4451 subject."""
    words = notes(document)
    found = [("REG", words["register"]), ("PMT", words["recovery"]), ("PMD", words["late"]), ("AAB", words["discount"])]
    if outside:  # category O forbids the element, but French law requires the number
        found.append(("REG", words["vat_number"]))
    return found


def _seller(document: Mapping[str, Any], *, outside: bool) -> dict[str, str]:
    seller = document["seller"]
    party = {
        "name": seller["name"],
        "legal_identifier": seller["siren"],
        "legal_identifier_schemeid": SIREN_SCHEME,
        "country_code": "FR",
        "city": seller["city"],
        "postcode": seller["postcode"],
        "addr_l1": seller["street"],
        "einvoicing_addr": seller["siren"],
        "einvoicing_addr_schemeid": ELECTRONIC_SCHEME,
    }
    if not outside:
        party["vat_identifier"] = seller["vat_number"]
    return party


def _buyer(document: Mapping[str, Any], *, outside: bool) -> dict[str, str]:
    buyer = document["buyer"]
    party = {"name": buyer["name"], "country_code": buyer["country"]}
    party |= {
        key: buyer[part]
        for key, part in (("city", "city"), ("postcode", "postcode"), ("addr_l1", "street"))
        if buyer[part]
    }
    if buyer["vat_number"] and not outside:
        party["vat_identifier"] = buyer["vat_number"]
    if buyer["vat_number"].startswith("FR") and buyer["country"] != "MC":  # Monaco's have no SIREN
        siren = buyer["vat_number"][-9:]
        party |= {"legal_identifier": siren, "legal_identifier_schemeid": SIREN_SCHEME}
    if address := buyer.get("electronic_address"):
        party |= {"einvoicing_addr": address, "einvoicing_addr_schemeid": ELECTRONIC_SCHEME}
    return party
