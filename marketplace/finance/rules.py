"""What finance decides without asking: which exceptions two people may write off, and what that posts."""

from __future__ import annotations

from typing import Final

from marketplace.ledger import chart

MATCHED_WITH_LINES: Final = ("line_unexplained", "payout_without_line", "payout_kept", "sale_without_charge")
"""Reasons that a bank line may settle."""
HANGS_ON: Final = {
    "charge_without_payment": (chart.PARTNERS, 1),
    "charge_without_order": (chart.PARTNERS, 1),
    "charge_differs": (chart.PARTNERS, 1),
    "sale_without_charge": (chart.PARTNERS, -1),
    "refund_without_entry": (chart.PARTNERS, 1),
    "refund_without_movement": (chart.PARTNERS, 1),
    "dispute_open": (chart.DISPUTES, 1),
    "dispute_differs": (chart.DISPUTES, 1),
    "payout_without_line": (chart.TRANSFERS, -1),
    "payout_kept": (chart.SUBSCRIBERS_IN_TRANSIT, -1),
    "transfer_unasked": (chart.SUBSCRIBERS_IN_TRANSIT, 1),
}
"""Reason → the account its amount hangs on, and the sign that makes the amount a credit there."""
ACKNOWLEDGED: Final = (
    "refund_failed", "event_amiss", "command_failed", "statement_gap", "entitlement_without_money",
    "money_without_entitlement", "download_without_money",
)  # fmt: skip
"""Reasons that two people may let go without any entry: nothing in the books hangs on them."""
LOST_TO: Final = {chart.PARTNERS: chart.LOSSES, chart.DISPUTES: chart.LOSSES}


def may_write_off(why: str, amount_minor: int | None = None) -> bool:
    """Tell whether two people may let an exception go; what must be mended at its source may not.

    Nor may what was taken back from a subscriber's account: it is theirs, and no gain of ours.
    """
    if why == "transfer_unasked" and (amount_minor or 0) > 0:
        return False
    return why in HANGS_ON or why in ACKNOWLEDGED or why == "line_unexplained"


def write_off_postings(why: str, amount_minor: int | None) -> list[tuple[str, str, int]]:
    """Return what clears an exception's amount: a credit left over is gained, a debit is lost; nothing hangs: nothing."""
    if why not in HANGS_ON or not amount_minor:
        return []
    account, sign = HANGS_ON[why]
    credit = sign * amount_minor
    if credit > 0:
        return [(account, chart.DIFFERENCES_GAINED, credit)]
    return [(LOST_TO.get(account, chart.DIFFERENCES_LOST), account, -credit)]
