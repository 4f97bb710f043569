"""What finance decides without asking: which exceptions two people may write off, and what that posts."""

from __future__ import annotations

from typing import Final

from marketplace.finance.reconciliation.exceptions.registry import EXCEPTIONS
from marketplace.money.ledger import chart

LOST_TO: Final = {chart.PARTNERS: chart.LOSSES, chart.DISPUTES: chart.LOSSES}
"""Account → where its debits are lost to; other accounts' to differences."""


def may_write_off(why: str, amount_minor: int | None = None) -> bool:
    """Return whether two people may write an exception off; some must be corrected where they come from.

    Nor may a gain be written off that is somebody else's, such as what was reversed from a subscriber's account.
    """
    write_off = EXCEPTIONS[why].write_off
    return write_off is not None and not (write_off.losses_only and (amount_minor or 0) > 0)


def write_off_postings(why: str, amount_minor: int | None) -> list[tuple[str, str, int]]:
    """Return what clears an exception's amount: a credit left over is gained, a debit is lost; no account: nothing."""
    write_off = EXCEPTIONS[why].write_off
    if write_off is None or not write_off.account or not amount_minor:
        return []
    credit = write_off.credit_sign * amount_minor
    if credit > 0:
        return [(write_off.account, chart.DIFFERENCES_GAINED, credit)]
    return [(LOST_TO.get(write_off.account, chart.DIFFERENCES_LOST), write_off.account, -credit)]
