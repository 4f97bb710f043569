"""Files of gifts: the bank's, with one transfer per association and month, and the giver's receipt of a year."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.errors import Conflict, NotFound
from marketplace.core.settings import settings
from marketplace.core.web import formats
from marketplace.core.web.formats import money
from marketplace.core.web.i18n import gettext as _
from marketplace.money.sepa import accounts, pain001
from marketplace.subscribers.earnings.statement_pdf import begin_document

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from marketplace.subscribers.rewards.queries import GiftsRow, PaymentRow


def write_transfers(month: dt.date, payments: Sequence[PaymentRow]) -> bytes:
    """Return the pain.001 that pays a month's gifts: the same bytes and message id each time, checked.

    Raises NotFound.
    """
    if not payments:
        raise NotFound("No payment of that month’s gifts was made.")
    if not settings().payout_iban:
        raise Conflict("Set PAYOUT_IBAN to the account that subscribers are paid from.")
    first = payments[0]
    payer = pain001.Payer(
        settings().payout_name,
        accounts.check_iban(settings().payout_iban),
        pain001.next_working_day(first.made_at.date()),
    )
    transfers = [
        pain001.Transfer(
            reference=f"PTG{one.id.hex}",
            holder=one.name,
            iban=one.iban,
            amount_minor=one.amount_minor,
            text=f"{settings().payout_name}: dons {month:%m/%Y} / gifts",
        )
        for one in payments
    ]
    total = sum(one.amount_minor for one in payments)
    opening = pain001.opening(f"PTD{first.id.hex}", first.made_at, payer, people=len(payments), amount_minor=total)
    file = opening + pain001.batch(f"PTE{first.id.hex}", payer, transfers) + pain001.CLOSING
    check = pain001.FileCheck()
    check.add(file)
    check.end()
    return file


def draw_receipt(line: int, year: int, gifts: Sequence[GiftsRow], day: dt.date) -> bytes:
    """Return the receipt of a line's gifts in a year; `day` is when it is drawn.

    Raises NotFound for a year without gifts.
    """
    if not gifts:
        raise NotFound("This line gave nothing in that year.")
    title = _("Your gifts of %(year)s") % {"year": year}
    document = begin_document(title, day)
    document.head("Partage", title, aside=[_("Line %(line)s") % {"line": line}, formats.date(day, "long")])
    rows = [[one.name, formats.number(one.gifts), money(one.amount_minor)] for one in gifts]
    total = [
        _("Together"),
        formats.number(sum(one.gifts for one in gifts)),
        money(sum(one.amount_minor for one in gifts)),
    ]
    document.rows([_("Association"), _("Gifts"), _("Amount")], [*rows, total], [0.6, 0.15, 0.25], totals=1)
    document.sentence(
        _(
            "This is a receipt of what was given, for you to keep. Whether it lowers a tax is for you and the association "
            "to say."
        )
    )
    return document.finish()
