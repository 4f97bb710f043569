"""A licence's statement as a PDF: the same words and figures as on its page, in its language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.settings import settings
from marketplace.core.web import formats
from marketplace.core.web.formats import money
from marketplace.core.web.i18n import gettext as _
from marketplace.core.web.i18n import language
from marketplace.core.web.pages import localised

if TYPE_CHECKING:
    import datetime as dt

    from marketplace.core.web.pdf import PdfDocument
    from marketplace.subscribers.earnings.statements import Division, LicenceStatement, SoldLicence


def begin_document(title: str, day: dt.date) -> PdfDocument:
    """Return a new document of ours in the page's language; `day` is when it is drawn."""
    from marketplace.core.web.pdf import PdfDocument  # noqa: PLC0415 (two seconds that a site which starts need not wait for)

    seller = settings()
    footer = f"{seller.seller_name} · {seller.seller_street}, {seller.seller_postcode} {seller.seller_city}"
    return PdfDocument(title, language=language.get(), day=day, footer=f"{footer}\n{seller.seller_legal}")


def titled(sale: SoldLicence) -> str:
    """Return a dataset's title, with its area where the title does not have it."""
    title = localised(sale, "title")
    return title if sale.area in title else f"{title}, {sale.area}"


def draw_licence(statement: LicenceStatement, day: dt.date) -> bytes:
    """Return a licence's statement as a file; `day` is when it is drawn."""
    title, sale = _("Licence statement"), statement.sale
    document = begin_document(f"{title} {sale.number}", day)
    document.head("Partage", title, aside=[sale.number, sale.company, formats.date(day, "long")])
    document.sentence(
        f"{titled(sale)}, {formats.period(sale.period_from, sale.period_to, sale.time_zone)}",
        muted=False,
    )
    if statement.division is None:
        document.sentence(_("The sale is not divided yet: this follows when Stripe has named its fee."))
        return document.finish()
    document.heading(_("Where your money went"))
    header = [_("What"), _("Rate"), _("Amount")]
    document.rows(header, _licence_rows(sale, statement.division), [0.56, 0.14, 0.3], totals=1)
    document.sentence(licence_state(sale, statement.division), muted=False)
    document.sentence(
        _(
            "Everyone who is in the release is paid. Who they are and how many stays private: the count shown is "
            "published, with noise, and a person counts once in each cell."
        )
    )
    return document.finish()


def _licence_rows(sale: SoldLicence, division: Division) -> list[list[str]]:
    def euros(minor: int) -> str:
        return money(minor, sale.currency)

    return [
        [_("Posted price"), "", euros(sale.posted_minor)],
        *([[_("Less for you alone"), "", euros(less)]] if (less := sale.net_minor - sale.posted_minor) else []),
        [_("Payment fee"), "", euros(-division.fee_minor)],
        [_("To share"), "", euros(division.distributable_minor)],
        [
            _("The people’s pool"),
            formats.percent_basis_points(sale.subscribers_basis_points),
            euros(division.pool_minor),
        ],
        [_("The operator and Partage"), "", euros(division.distributable_minor - division.pool_minor)],
        [_("People counted"), "", formats.number(sale.published_people)],
    ]


def licence_state(sale: SoldLicence, division: Division) -> str:
    """Return a sentence on the state of the people's pool."""
    if division.state == "cancelled":
        return _("The sale was refunded, and the pool with it.")
    if division.state == "released" and division.ended_at is not None:
        return _("Theirs since %(day)s.") % {"day": formats.date(division.ended_at)}
    return _("Held until %(day)s, while the sale can still be refunded or disputed.") % {
        "day": formats.date(sale.hold_until)
    }
