"""E-reporting files: sales to companies elsewhere one by one (10.1), and their payments with VAT (10.2).

Source: the published fields of the tax authority's e-reporting file (TT and TG numbers of its annexes).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lxml import etree
from lxml.builder import E  # type: ignore[import-not-found]
from msgspec import Struct

from marketplace.sales.orders.invoice_words import VAT_REASONS
from marketplace.sales.orders.invoice_xml import CATEGORIES, EXEMPTION_CODES, SIREN_SCHEME, TYPES, rate
from pricing.money import EUR, decimal

PROFILE: Final = "urn.cpro.gouv.fr:1p0:ereporting"
OF_SERVICES, ON_PAYMENT = "S1", "72"
OUTSIDE: Final = ("O", "VATEX-EU-O")
"""Category and reason of sales to Guiana and Mayotte: the file's list has no separate reason for article 294."""
EU_COMPANY, ELSEWHERE = "0223", "0227"
LONGEST_NAME = 16
PLATFORM_SCHEME, PLATFORM, SELLER = "0238", "WK", "SE"
INITIAL, REPLACING = "IN", "RE"


class Head(Struct, frozen=True):
    """The header of every report; days are included."""

    id: str
    made_at: dt.datetime
    is_first: bool
    platform: str
    """The platform's four-character code at the tax authority."""
    siren: str
    name: str
    first_day: dt.date
    last_day: dt.date


class ReportedDocument(Struct, frozen=True):
    """A document of a report, as issued; `settled_on`: the day it settled, `total_minor` the settled cents."""

    document: Mapping[str, Any]
    settled_on: dt.date
    total_minor: int
    """VAT included; below zero if returned."""


def write_transactions(head: Head, documents: Sequence[ReportedDocument]) -> bytes:
    """Return the report of sales: every document, as invoice or credit note."""
    report = E.TransactionsReport(_period(head), *(_invoice(each.document) for each in documents))
    return _written(head, report)


def write_payments(head: Head, documents: Sequence[ReportedDocument]) -> bytes:
    """Return the report of payments: the settled amount of each document with VAT, below zero if returned."""
    report = E.PaymentsReport(_period(head), *(_payment(each) for each in documents))
    return _written(head, report)


def _written(head: Head, report: Any) -> bytes:  # noqa: ANN401 (an element of lxml)
    opening = E.ReportDocument(
        E.Id(head.id),
        E.IssueDateTime(E.DateTimeString(head.made_at.strftime("%Y%m%d%H%M%S"))),
        E.TypeCode(INITIAL if head.is_first else REPLACING),
        E.Sender(E.Id(head.platform, schemeId=PLATFORM_SCHEME), E.Name(head.platform), E.RoleCode(PLATFORM)),
        E.Issuer(E.Id(head.siren, schemeId=SIREN_SCHEME), E.Name(head.name), E.RoleCode(SELLER)),
    )
    written: bytes = etree.tostring(
        E.Report(opening, report), xml_declaration=True, encoding="UTF-8", pretty_print=True
    )
    return written


def _period(head: Head) -> Any:  # noqa: ANN401
    return E.ReportPeriod(E.StartDate(_day(head.first_day)), E.EndDate(_day(head.last_day)))


def _day(day: dt.date | str) -> str:
    return str(day).replace("-", "")


def _invoice(document: Mapping[str, Any]) -> Any:  # noqa: ANN401
    rule, seller = document["vat_rule"], document["seller"]
    net, vat = decimal(document["net_minor"]), decimal(document["vat_minor"])
    exemption = []
    if reason := VAT_REASONS.get(rule):
        exemption.append(E.TaxExemptionReason(reason["fr"]))
    category, code = OUTSIDE if rule == "overseas_exempt" else (CATEGORIES[rule], EXEMPTION_CODES.get(rule))
    if code:
        exemption.append(E.TaxExemptionReasonCode(code))
    corrects = document["corrects"]
    return E.Invoice(
        E.ID(document["number"]),
        E.IssueDate(_day(document["issued_on"])),
        E.TypeCode(TYPES[document["kind"]]),
        E.CurrencyCode(document["currency"]),
        E.TaxDueDateTypeCode(ON_PAYMENT),
        E.BusinessProcess(E.ID(OF_SERVICES), E.TypeID(PROFILE)),
        *(
            [E.ReferencedDocument(E.ID(corrects["number"]), E.IssueDate(_day(corrects["issued_on"])))]
            if corrects
            else []
        ),
        E.Seller(
            E.CompanyId(seller["siren"], schemeId=SIREN_SCHEME),
            E.TaxRegistrationId(seller["vat_number"], qualifyingId="VAT"),
            E.PostalAddress(E.CountryId("FR")),
        ),
        E.Buyer(*_buyer(document["buyer"])),
        E.Delivery(E.Date(_day(document["delivered_on"]))),
        E.MonetaryTotal(E.TaxExclusiveAmount(net), E.TaxAmount(vat, CurrencyCode=EUR)),
        E.TaxSubTotal(
            E.TaxableAmount(net),
            E.TaxAmount(vat),
            E.TaxCategory(E.Code(category), E.Percent(rate(document["vat_basis_points"])), *exemption),
        ),
    )


def _buyer(buyer: Mapping[str, Any]) -> list[Any]:
    """Return the buyer: by VAT number within the EU, otherwise by country and name, by the file's list of schemes."""
    number, country = buyer["vat_number"], buyer["country"]
    if number:
        parts = [E.CompanyId(number, schemeId=EU_COMPANY), E.TaxRegistrationId(number, qualifyingId="VAT")]
    else:
        parts = [E.CompanyId(f"{country}{buyer['name'][:LONGEST_NAME]}".strip(), schemeId=ELSEWHERE)]
    return [*parts, E.PostalAddress(E.CountryId(country))]


def _payment(reported: ReportedDocument) -> Any:  # noqa: ANN401
    document = reported.document
    return E.Invoice(
        E.InvoiceID(document["number"]),
        E.IssueDate(_day(document["issued_on"])),
        E.Payment(
            E.Date(_day(reported.settled_on)),
            E.SubTotals(
                E.TaxPercent(rate(document["vat_basis_points"])),
                E.CurrencyCode(document["currency"]),
                E.Amount(decimal(reported.total_minor)),
            ),
        ),
    )
