"""A subscriber's year as a PDF: the same words and figures as on its page, in its language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.web import formats
from marketplace.core.web.formats import money, money_micro
from marketplace.core.web.i18n import gettext as _
from marketplace.core.web.pages import localised
from marketplace.subscribers.earnings.statement_pdf import begin_document

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from marketplace.subscribers.earnings.queries import MonthRow
    from marketplace.subscribers.earnings.statements import YearStatement
    from marketplace.subscribers.payouts.queries import SentPayout

FIVE_COLUMNS = [0.24, 0.19, 0.19, 0.19, 0.19]
"""The widths of a table by month."""


def share_state(state: str) -> str:
    """Return the state of a share in a word."""
    return {"released": _("Yours"), "cancelled": _("Reversed"), "held": _("Held")}[state]


def payout_state(state: str) -> str:
    """Return the state of a payout in a word."""
    return {"settled": _("Received"), "failed": _("Came back")}.get(state, _("Under way"))


def draw_year(statement: YearStatement, payouts: Sequence[SentPayout], day: dt.date) -> bytes:
    """Return a subscriber's year with the payouts sent in it as a file; `day` is when it is drawn."""
    title = _("Statement %(year)s") % {"year": statement.year}
    document = begin_document(title, day)
    line = _("Line %(line)s") % {"line": statement.line}
    document.head("Partage", title, aside=[line, formats.date(day, "long")])
    document.heading(_("From one year to the next"))
    document.rows(["", _("Yours"), _("Held")], _year_rows(statement), [0.5, 0.25, 0.25], totals=1)
    document.heading(_("Month by month"))
    header = [_("Month"), _("Earned"), _("Became yours"), _("Reversed"), _("Paid or used")]
    document.rows(header, _month_rows(statement.months), FIVE_COLUMNS, totals=1)
    if payouts:
        document.heading(_("Payouts"))
        sent = [[formats.date(one.sent_at), payout_state(one.state), money(one.amount_minor)] for one in payouts]
        document.rows([_("Sent on"), _("State"), _("Amount")], sent, [0.5, 0.25, 0.25])
    if statement.shares:
        document.heading(_("Licence by licence"))
        shares = [
            [
                f"{localised(share, 'title')}, {formats.month_and_year(share.sold_in)}",
                share_state(share.state),
                money_micro(share.share_micro, share.currency),
            ]
            for share in statement.shares
        ]
        document.rows([_("Sold"), _("State"), _("Your share")], shares, [0.6, 0.18, 0.22])
        if statement.more_shares:
            document.sentence(_("Older shares of this year are counted in its months, and not named here."))
    document.sentence(
        _(
            "A share is held while the sale can still be refunded or disputed. It becomes yours when the month in which "
            "that ends is closed, and then for good."
        )
    )
    document.sentence(
        _(
            "For your tax return: this states what became yours, what was paid or used, and when. It claims no category of "
            "income: whether and where it is declared is for you and the tax office."
        )
    )
    return document.finish()


def _year_rows(statement: YearStatement) -> list[list[str]]:
    earned, released, cancelled, paid = _totals(statement.months)
    rewarded = sum(month.rewarded_micro for month in statement.months)
    opening, closing = statement.opening, statement.closing
    return [
        [_("On 1 January"), money_micro(opening.payable_micro), money_micro(opening.held_micro)],
        [_("Earned"), "", money_micro(earned)],
        [_("Became yours"), money_micro(released), money_micro(-released)],
        [_("Reversed"), "", money_micro(-cancelled)],
        [_("Paid out"), money_micro(rewarded - paid), ""],
        *([[_("Phone bill, gifts, benefits"), money_micro(-rewarded), ""]] if rewarded else []),
        [_("On 31 December, carried over"), money_micro(closing.payable_micro), money_micro(closing.held_micro)],
    ]


def _month_rows(months: Sequence[MonthRow]) -> list[list[str]]:
    rows = [[formats.month_and_year(month.month), *map(money_micro, _moved(month))] for month in reversed(months)]
    return [*rows, [_("Together"), *map(money_micro, _totals(months))]]


def _moved(month: MonthRow) -> tuple[int, int, int, int]:
    return month.earned_micro, month.released_micro, month.cancelled_micro, month.paid_micro


def _totals(months: Sequence[MonthRow]) -> tuple[int, int, int, int]:
    """Return what months earned, released, cancelled and paid in all, in micro-euros."""
    earned, released, cancelled, paid = (sum(column) for column in zip(*map(_moved, months), strict=True))
    return earned, released, cancelled, paid
