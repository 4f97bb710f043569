"""Rules of buying: how long an entitlement lasts, how a return is divided, the payer's words. VAT is `vat`'s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from marketplace.core.errors import Conflict, Invalid

LONGEST_REFERENCE: Final = 60
LONGEST_REASON: Final = 500
LONGEST_LINE: Final = 250
"""Characters of a line on Stripe's page."""
PAY_BY: Final = ("page", "saved_method", "bank_transfer", "invoice")
"""How an order is paid: on Stripe's page, by the saved method, by a transfer to an IBAN of its own, or on credit."""
TRANSFER_FROM_MINOR: Final = 100_000
"""Orders from a thousand euros on may be paid by bank transfer: below, a card or debit is less work for everyone."""


class CheckoutWords(Struct, frozen=True):
    """The payer's words on Stripe's page: language (fr or en) and lines, `licence` with `{months}` and `{dataset}`."""

    language: str
    licence: str
    vat: str


ENGLISH_CHECKOUT: Final = CheckoutWords("en", "{months}-month licence of {dataset}", "VAT")
"""For jobs and commands, which have no visitor."""


def one_line(text: str, longest: int, *, field: str) -> str:
    """Return a line of an invoice; refuses more than `longest` characters, and invisible ones."""
    line = " ".join(text.split())
    if not line.isprintable():
        raise Invalid("Write it by hand: it has signs that nobody sees, or that turn the writing round.", field=field)
    if len(line) > longest:
        raise Invalid("Write {most} signs at most.", most=longest, field=field)
    return line


def check_terms(accepted: str | None, quoted: str) -> None:
    """Refuse the acceptance of terms other than a quote's own; None: no version was named."""
    if accepted not in (None, quoted):
        raise Conflict(
            "The quote is under the terms {quoted}, and you accepted {accepted}: read its own, and accept that version.",
            quoted=quoted,
            accepted=str(accepted)[:60],
            field="terms",
        )


@dataclass(frozen=True, slots=True)
class OrderAmount:
    """A part of an order's money: before VAT, and the VAT, in cents."""

    net_minor: int
    vat_minor: int


def part_of(net_minor: int, vat_minor: int, before_minor: int, more_minor: int) -> OrderAmount:
    """Divide `more` returned cents, after `before` cents, into net and VAT in the proportion of the sale.

    All parts together are the sale: 0 <= before, 0 < more, before + more <= net + VAT.
    """
    total = net_minor + vat_minor
    assert 0 <= before_minor < before_minor + more_minor <= total, "no more is returned than was paid"
    net = (before_minor + more_minor) * net_minor // total - before_minor * net_minor // total
    return OrderAmount(net, more_minor - net)
