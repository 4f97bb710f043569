"""Files for the platform and for partners elsewhere, by the rules that are to be had; what the platform says, however broken."""

import datetime as dt
from pathlib import Path

import pytest
from lxml import etree

from marketplace.core.errors import Invalid
from marketplace.finance.einvoicing.cdar import Party, Receipt, read_statuses, write_receipt
from marketplace.finance.einvoicing.codes import is_progress
from marketplace.finance.einvoicing.reports import Head, ReportedDocument, write_payments, write_transactions
from marketplace.finance.einvoicing.rules import period_of
from marketplace.sales.orders.invoice_xml import ubl
from tests.finance.bookkeeping.validators import UBL_RULES
from tests.sales.builders.invoices import BUYERS, invoice_document
from tests.support.schematron import broken_rules

DAY = dt.date(2026, 11, 5)
NOW = dt.datetime(2026, 11, 27, 9, tzinfo=dt.UTC)


def vat_receipt(total_minor: int) -> bytes:
    seller, buyer = Party("Partage", "123456782"), Party("Łódź & <SA>", "303265045", "303265045_COMPTA")
    return write_receipt(
        Receipt("F-1-212", "F-2026-000001", "invoice", DAY, DAY, 850, total_minor, "EUR", seller, buyer), NOW
    )


def report_files() -> list[bytes]:
    head = Head(
        id="20261101-T-1",
        made_at=NOW,
        is_first=True,
        platform="0123",
        siren="123456782",
        name="Partage SAS",
        first_day=dt.date(2026, 11, 1),
        last_day=dt.date(2026, 11, 10),
    )
    rules = ("unverified", "reverse_charge", "outside_eu", "overseas_exempt")
    kinds = {"invoice": 1, "credit_note": -1}
    documents = [(invoice_document(rule, kind), sign) for rule in rules for kind, sign in kinds.items()]
    reported = [ReportedDocument(one, DAY, sign * one["total_minor"]) for one, sign in documents]
    return [write_transactions(head, reported), write_payments(head, reported)]


def test_ubl_satisfies_the_norms_rules() -> None:
    for rule, kind in (("reverse_charge", "invoice"), ("outside_eu", "credit_note")):
        assert broken_rules(ubl(invoice_document(rule, kind)), UBL_RULES) == []
    broken = ubl(invoice_document("reverse_charge")).replace(b">1234.57<", b">1234.58<", 1)
    assert broken_rules(broken, UBL_RULES), "one cent breaks a rule"


@pytest.mark.deep
@pytest.mark.parametrize("kind", ["invoice", "credit_note"])
@pytest.mark.parametrize("rule", BUYERS)
def test_ubl_of_every_kind_satisfies_the_norms_rules(rule: str, kind: str) -> None:
    assert broken_rules(ubl(invoice_document(rule, kind)), UBL_RULES) == []


def test_a_receipt_can_be_read_back_and_is_below_zero_where_money_went_back() -> None:
    xml = vat_receipt(-1_085)
    [status] = read_statuses(xml)
    assert (status.number, status.code, status.at) == ("F-2026-000001", 212, NOW)
    assert b">-10.85<" in xml
    assert b">8.50<" in xml
    buyer_elsewhere = etree.fromstring(report_files()[0]).findtext(".//Invoice[5]/Buyer/CompanyId")
    assert buyer_elsewhere == "USŁódź & Δέλτα <SA", "by country and name, in sixteen characters"


def test_files_for_the_platform_fit_the_published_schemas() -> None:
    """Run where the package that carries the tax authority's and UN/CEFACT's files is installed; it is none of ours."""
    package = pytest.importorskip(
        "pyfrctc", reason="pyfrctc, which carries the CDAR and e-reporting schemas, is not here"
    )
    folder = Path(package.__file__).parent
    cdar = etree.XMLSchema(etree.parse(folder / "cdar-xsd" / "CrossDomainAcknowledgementAndResponse_100pD22B.xsd"))
    cdar.assertValid(etree.fromstring(vat_receipt(12_000)))
    reports = etree.XMLSchema(etree.parse(folder / "frr-xsd" / "ereporting.xsd"))
    for xml in report_files():
        reports.assertValid(etree.fromstring(xml))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"<", "not well-formed"),
        (b"<a/>", "names no document"),
        (vat_receipt(1).replace(b">212<", b">paid<"), "names no document, or no status"),
        (vat_receipt(1).replace(b">20261127090000<", b">yesterday<"), "an instant that is none"),
    ],
)
def test_a_message_that_is_none_is_refused_in_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        read_statuses(data)


def test_periods_are_thirds_of_a_month_and_statuses_go_forward() -> None:
    days = [dt.date(2026, 2, day) for day in (1, 10, 11, 20, 21, 28)]
    assert [period_of("transactions", day)[0].day for day in days] == [1, 1, 11, 11, 21, 21]
    assert period_of("transactions", days[-1])[1] == dt.date(2026, 2, 28)
    assert period_of("payments", days[2]) == (dt.date(2026, 2, 1), dt.date(2026, 2, 28))
    steps = [(None, 200), (200, 205), (205, 202), (205, 210), (210, 205), (213, 200)]
    assert [is_progress(code, before) for before, code in steps] == [True, True, False, True, False, False]
