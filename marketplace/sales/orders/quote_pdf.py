"""A quote for signature, in the page's language: its release, its price, until when it is valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace.catalogue.offers.rules import named_companies
from marketplace.core.web import formats
from marketplace.core.web.i18n import gettext, language

if TYPE_CHECKING:
    from marketplace.catalogue.offers.queries import QuotePage
    from marketplace.core.settings import Settings
    from marketplace.core.web.pdf import PdfDocument
    from marketplace.money.vat import Vat
    from marketplace.sales.orders.invoices import Billing
    from marketplace.sales.orders.queries import QuoteTerms


@dataclass(frozen=True, slots=True)
class QuoteToDraw:
    """The content of a quote; amounts in cents. holding_minor: of the amount, for holding it; link: its address."""

    quote: QuotePage
    terms: QuoteTerms
    billing: Billing | None
    vat: Vat
    holding_minor: int
    seller: Settings
    link: str


def draw(one: QuoteToDraw) -> bytes:
    """Return the file."""
    from marketplace.core.web.pdf import PdfDocument as Document  # noqa: PLC0415 (two seconds that a site which starts need not wait for)

    _ = gettext
    quote, seller, terms = one.quote, one.seller, one.terms
    number = str(quote.id)[:8].upper()
    pdf = Document(
        f"{_('Quote')} {number}",
        language=language.get(),
        day=formats.paris_day(quote.quoted_at),
        footer=f"{seller.seller_name} · {seller.seller_street}, {seller.seller_postcode} {seller.seller_city}, France",
        subject=f"{_('Quote')} {number} · {seller.seller_name}",
    )
    until = formats.moment(quote.expires_at)
    aside = [number, formats.date(quote.quoted_at), _("Valid until %(moment)s") % {"moment": until}]
    pdf.head("Partage", _("Quote"), aside=aside)
    address = [one.billing.street, f"{one.billing.postcode} {one.billing.city}".strip()] if one.billing else []
    pdf.parties(
        (
            _("Seller"),
            [seller.seller_name, seller.seller_street, f"{seller.seller_postcode} {seller.seller_city}", "France"],
        ),
        (
            _("For"),
            [
                terms.company,
                *address,
                formats.country(terms.country),
                *([terms.vat_number] if terms.vat_number else []),
            ],
        ),
    )
    _amounts(pdf, one)
    pdf.heading(_("Licence in five lines"))
    for line in terms.text(language.get()):
        pdf.sentence(line, muted=False)
    if companies := named_companies(quote.document):
        pdf.sentence(_("To be used inside: %(companies)s") % {"companies": ", ".join(companies)}, muted=False)
    pdf.sentence(_("Licence of %(length)s, from the payment on.") % {"length": formats.months(terms.months)})
    pdf.sentence(
        _("This price is signed by us. Order it at %(link)s")
        % {"link": f"{seller.url}/{language.get()}/quotes/{quote.id}"}
    )
    pdf.sentence(_("Shown to anyone who has this link, without an account: %(link)s") % {"link": one.link}, size=8)
    pdf.heading(_("Agreed: name, date, signature"))
    return pdf.finish()


def _amounts(pdf: PdfDocument, one: QuoteToDraw) -> None:
    _ = gettext
    quote = one.quote

    def money(minor: int) -> str:
        return formats.money(minor, quote.currency)

    title = quote.title_fr if language.get() == "fr" else quote.title_en
    period = formats.period(quote.period_from, quote.period_to, quote.time_zone)
    rows = [[f"{title}\n{period} · {formats.months(quote.months)}", money(quote.amount_minor - one.holding_minor)]]
    if one.holding_minor:
        rows.append([_("Holding the price for 30 days"), money(one.holding_minor)])
    pdf.rows([_("Item"), _("Before VAT")], rows, [0.72, 0.28])
    rate = formats.percent_basis_points(one.vat.basis_points)
    pdf.rows(
        ["", ""],
        [
            [_("Before VAT"), money(quote.amount_minor)],
            [_("VAT, %(rate)s") % {"rate": rate}, money(one.vat.amount_minor)],
            [_("Total"), money(quote.amount_minor + one.vat.amount_minor)],
        ],
        [0.28, 0.2],
        totals=1,
    )
