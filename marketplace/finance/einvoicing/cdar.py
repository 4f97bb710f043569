"""Messages of an invoice's life (UN/CEFACT CDAR D22B): the status 212 that we send, and the statuses that we receive.

Source: the published fields of the French life-cycle message (MDT and MDG numbers of AFNOR XP Z12-012).
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from lxml import etree
from lxml.builder import ElementMaker  # type: ignore[import-not-found]
from msgspec import Struct

from marketplace.core.errors import Invalid
from marketplace.finance.einvoicing.codes import PAYMENT_RECEIVED
from marketplace.sales.orders.invoice_xml import ELECTRONIC_SCHEME, SIREN_SCHEME, TYPES, rate
from pricing.money import decimal

SPACES: Final = {
    "rsm": "urn:un:unece:uncefact:data:standard:CrossDomainAcknowledgementAndResponse:100",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "qdt": "urn:un:unece:uncefact:data:standard:QualifiedDataType:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}
RSM, RAM, QDT, UDT = (ElementMaker(namespace=space, nsmap=SPACES) for space in SPACES.values())
GUIDELINE: Final = "urn.cpro.gouv.fr:1p0:CDV:invoice"
IN_TREATMENT, AS_PAID, MONEY_RECEIVED = "23", "47", "MEN"
SELLER, BUYER = "SE", "BY"
INSTANT, DAY = ("204", "%Y%m%d%H%M%S"), ("102", "%Y%m%d")


class Party(Struct, frozen=True):
    """A company of an invoice."""

    name: str
    siren: str
    address: str = ""
    """Its line of the annuaire."""


class Receipt(Struct, frozen=True):
    """Money that settled for a document: `total_minor` in cents, VAT included, below zero if returned."""

    id: str
    number: str
    kind: str
    """The kind of the document: invoice or credit_note."""
    issued_on: dt.date
    received_on: dt.date
    vat_basis_points: int
    total_minor: int
    currency: str
    seller: Party
    buyer: Party


class Status(Struct, frozen=True):
    """A status in a message."""

    number: str
    code: int
    at: dt.datetime
    reason_code: str
    reason: str


def write_receipt(receipt: Receipt, now: dt.datetime) -> bytes:
    """Return the message that a document settled (212), with the amount of its VAT rate."""
    paid = RAM.SpecifiedDocumentStatus(
        RAM.SequenceNumeric("1"),
        RAM.SpecifiedDocumentCharacteristic(
            RAM.TypeCode(MONEY_RECEIVED),
            RAM.ValueAmount(decimal(receipt.total_minor), currencyID=receipt.currency),
            RAM.ValueDateTime(_date_time(receipt.received_on, DAY)),
            RAM.ValuePercent(rate(receipt.vat_basis_points)),
        ),
    )
    document = RAM.ReferenceReferencedDocument(
        RAM.IssuerAssignedID(receipt.number),
        RAM.StatusCode(AS_PAID),
        RAM.TypeCode(TYPES[receipt.kind]),
        RAM.FormattedIssueDateTime(QDT.DateTimeString(receipt.issued_on.strftime(DAY[1]), format=DAY[0])),
        RAM.ProcessConditionCode(str(PAYMENT_RECEIVED)),
        RAM.ProcessCondition("Encaissée"),
        RAM.IssuerTradeParty(RAM.GlobalID(receipt.seller.siren, schemeID=SIREN_SCHEME)),
        paid,
    )
    root = RSM.CrossDomainAcknowledgementAndResponse(
        RSM.ExchangedDocumentContext(
            RAM.BusinessProcessSpecifiedDocumentContextParameter(RAM.ID("REGULATED")),
            RAM.GuidelineSpecifiedDocumentContextParameter(RAM.ID(GUIDELINE)),
        ),
        RSM.ExchangedDocument(
            RAM.ID(receipt.id),
            RAM.IssueDateTime(_date_time(now, INSTANT)),
            RAM.SenderTradeParty(RAM.RoleCode(SELLER)),
            RAM.IssuerTradeParty(*_party(receipt.seller, SELLER)),
            RAM.RecipientTradeParty(*_party(receipt.buyer, BUYER)),
        ),
        RSM.AcknowledgementDocument(
            RAM.MultipleReferencesIndicator(UDT.Indicator("false")),
            RAM.TypeCode(IN_TREATMENT),
            RAM.IssueDateTime(_date_time(now, INSTANT)),
            document,
        ),
    )
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return written


def _date_time(at: dt.date, form: tuple[str, str]) -> Any:  # noqa: ANN401 (an element of lxml)
    return UDT.DateTimeString(at.strftime(form[1]), format=form[0])


def _party(party: Party, role: str) -> list[Any]:
    parts = [RAM.GlobalID(party.siren, schemeID=SIREN_SCHEME), RAM.Name(party.name), RAM.RoleCode(role)]
    if party.address:
        parts.append(RAM.URIUniversalCommunication(RAM.URIID(party.address, schemeID=ELECTRONIC_SCHEME)))
    return parts


def read_statuses(data: bytes) -> list[Status]:
    """Return a message's statement on each document it names; refuse, in a sentence, text that is no such message."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise Invalid("The platform’s message is not well-formed XML.") from None
    found = []
    for document in root.iterfind("rsm:AcknowledgementDocument/ram:ReferenceReferencedDocument", SPACES):
        number, code = _text(document, "ram:IssuerAssignedID"), _text(document, "ram:ProcessConditionCode")
        at = _text(document, "ram:ReceiptDateTime/udt:DateTimeString") or _text(
            root, "rsm:AcknowledgementDocument/ram:IssueDateTime/udt:DateTimeString"
        )
        if not (number and code.isascii() and code.isdigit()):
            raise Invalid("The platform’s message names no document, or no status.")
        details = [
            (_text(status, "ram:ReasonCode"), _text(status, "ram:Reason"))
            for status in document.iterfind("ram:SpecifiedDocumentStatus", SPACES)
        ]
        reason_code = ", ".join(code for code, _ in details if code)
        reason = " ".join(reason for _, reason in details if reason)
        found.append(Status(number, int(code), _instant(at), reason_code[:200], reason[:1000]))
    if not found:
        raise Invalid("The platform’s message names no document, or no status.")
    return found


def _text(element: Any, path: str) -> str:  # noqa: ANN401
    return (element.findtext(path, "", SPACES) or "").strip()


def _instant(text: str) -> dt.datetime:
    """Read an instant of format 204; the platforms write UTC."""
    try:
        return dt.datetime.strptime(text, INSTANT[1]).replace(tzinfo=dt.UTC)
    except ValueError:
        raise Invalid("The platform’s message has an instant that is none: {text}.", text=text[:20]) from None
