"""Statements as papers: the same words and figures as on the page, in its language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.settings import settings
from marketplace.web import formats
from marketplace.web.formats import money, money_micro
from marketplace.web.i18n import gettext as _
from marketplace.web.i18n import language

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from marketplace.web.paper import Paper

FIVE = [0.24, 0.19, 0.19, 0.19, 0.19]


def _paper(title: str, day: dt.date) -> Paper:
    from marketplace.web.paper import Paper  # noqa: PLC0415 (two seconds that a site which starts need not wait for)

    seller = settings()
    footer = f"{seller.seller_name} · {seller.seller_street}, {seller.seller_postcode} {seller.seller_city}"
    return Paper(title, language=language.get(), day=day, footer=f"{footer}\n{seller.seller_legal}")


def share_state(share: Mapping[str, Any]) -> str:
    """Return where a share stands, in a word."""
    return {"released": _("Yours"), "cancelled": _("Taken back"), "held": _("Held")}[share["state"]]


def payout_state(state: str) -> str:
    """Return where a payout stands, in a word."""
    return {"settled": _("Received"), "failed": _("Came back")}.get(state, _("Under way"))


def draw_year(its: Mapping[str, Any], day: dt.date) -> bytes:
    """Return a subscriber's year as a file; `day` is when it is drawn."""
    title = _("Statement %(year)s") % {"year": its["year"]}
    paper = _paper(title, day)
    paper.head("Partage", title, aside=[_("Line %(line)s") % {"line": its["line"]}, formats.date(day, "long")])
    opening, closing, months = its["opening"], its["closing"], its["months"]
    total = {
        part: sum(month[f"{part}_micro"] for month in months) for part in ("earned", "released", "cancelled", "paid")
    }
    paper.heading(_("From one year to the next"))
    paper.rows(
        ["", _("Yours"), _("Held")],
        [
            [_("On 1 January"), money_micro(opening["payable_micro"]), money_micro(opening["held_micro"])],
            [_("Earned"), "", money_micro(total["earned"])],
            [_("Became yours"), money_micro(total["released"]), money_micro(-total["released"])],
            [_("Taken back"), "", money_micro(-total["cancelled"])],
            [_("Paid out"), money_micro(-total["paid"]), ""],
            [_("On 31 December, carried over"), money_micro(closing["payable_micro"]), money_micro(closing["held_micro"])],
        ],
        [0.5, 0.25, 0.25], totals=1,
    )  # fmt: skip
    paper.heading(_("Month by month"))
    paper.rows(
        [_("Month"), _("Earned"), _("Became yours"), _("Taken back"), _("Paid out")],
        [
            [formats.month_and_year(month["month"]),
             *(money_micro(month[f"{part}_micro"]) for part in ("earned", "released", "cancelled", "paid"))]
            for month in reversed(months)
        ] + [[_("Together"), *(money_micro(total[part]) for part in ("earned", "released", "cancelled", "paid"))]],
        FIVE, totals=1,
    )  # fmt: skip
    if its["payouts"]:
        paper.heading(_("Payouts"))
        paper.rows(
            [_("Sent on"), _("State"), _("Amount")],
            [[formats.date(row["sent_at"]), payout_state(row["state"]), money(row["amount_minor"])] for row in its["payouts"]],
            [0.5, 0.25, 0.25],
        )  # fmt: skip
    if its["shares"]:
        paper.heading(_("Licence by licence"))
        paper.rows(
            [_("Sold"), _("State"), _("Your share")],
            [
                [f"{row[f'title_{language.get()}']}, {formats.date(row['sold_at'])}", share_state(row),
                 money_micro(row["share_micro"], row["currency"])]
                for row in its["shares"]
            ],
            [0.6, 0.18, 0.22],
        )  # fmt: skip
        if its["more_shares"]:
            paper.sentence(_("Older shares of this year are counted in its months, and not named here."))
    paper.sentence(
        _(
            "A share is held while the sale can still be refunded or disputed. After that it is yours, and nothing takes it back."
        )
    )
    return paper.finish()


def people_words(about: int | None) -> str:
    """Return a rounded head count in words."""
    return _("fewer than 100") if about is None else _("about %(count)s") % {"count": formats.number(about)}


def draw_licence(its: Mapping[str, Any], day: dt.date) -> bytes:
    """Return a licence's statement as a file; `day` is when it is drawn."""
    title = _("Licence statement")
    paper = _paper(f"{title} {its['number']}", day)
    paper.head("Partage", title, aside=[its["number"], its["company"], formats.date(day, "long")])
    paper.sentence(
        f"{its[f'title_{language.get()}']}, {its['area']}, {formats.period(its['period_from'], its['period_to'])}",
        muted=False,
    )
    if its["state"] is None:
        paper.sentence(_("The sale is not divided yet: this follows when Stripe has named its fee."))
        return paper.finish()

    def euros(minor: int) -> str:
        return money(minor, its["currency"])

    def rate(basis_points: int) -> str:
        return formats.percent_basis_points(basis_points)

    paper.heading(_("Where your money went"))
    rows = [
        [_("Sale before VAT"), "", euros(its["net_minor"])],
        [_("Payment fee"), "", euros(-its["fee_minor"])],
        [_("To share"), "", euros(its["distributable_minor"])],
        [_("The people’s pool"), rate(its["subscribers_basis_points"]), euros(its["pool_minor"])],
        [_("The operator"), rate(its["operator_basis_points"]), euros(its["operator_minor"])],
        ["Partage", rate(its["platform_basis_points"]), euros(its["platform_minor"])],
    ]
    if its["top_up_minor"]:
        rows.append([_("Added to keep promises made to them"), "", euros(its["top_up_minor"])])
    rows.append([_("People paid"), "", people_words(its["people_about"])])
    paper.rows([_("What"), _("Rate"), _("Amount")], rows, [0.56, 0.14, 0.3], totals=1)
    paper.sentence(licence_state(its), muted=False)
    paper.sentence(
        _("How many people are in a release is shown rounded: the exact number stays private, as does who they are.")
    )
    return paper.finish()


def licence_state(its: Mapping[str, Any]) -> str:
    """Return where the people's pool stands, in a sentence."""
    if its["state"] == "cancelled":
        return _("The sale was given back, and the pool with it.")
    if its["state"] == "released":
        return _("Theirs since %(day)s.") % {"day": formats.date(its["ended_at"])}
    return _("Held until %(day)s, while the sale can still be refunded or disputed.") % {
        "day": formats.date(its["hold_until"])
    }
