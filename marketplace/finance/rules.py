"""What finance reads into a row: why something is unmatched, in words, and where an entry's source is shown."""

from __future__ import annotations

SENTENCES = {
    "unknown_category": "Stripe’s category “%(detail)s” has no account in the chart: nothing was posted.",
    "other_currency": "Stripe moved %(detail)s and the books are in euros: nothing was posted.",
    "charge_without_payment": "Money that no payment of ours asked for.",
    "charge_without_order": "A payment without an order.",
    "charge_without_sale": "Paid, and the order is not sold: it is %(detail)s.",
    "charge_differs": "Stripe took another amount than the order’s, which is %(detail)s cents.",
    "sale_without_charge": "Sold; Stripe has not shown the money yet.",
    "refund_without_entry": "Refunded at Stripe; the books do not refund the sale.",
    "refund_without_movement": "Refunded in the books; Stripe has not shown it yet.",
    "refund_failed": "The bank returned the refund: the partner is still owed.",
    "dispute_open": "The payer’s bank took the money back in a dispute.",
    "payout_differs": "The payout’s transactions do not add up to it.",
    "event_amiss": "An event could not be put to use: %(detail)s",
    "command_failed": "Stripe refused what we asked: %(detail)s",
    "balance_differs": "Stripe’s balance and the books differ: %(detail)s cents in the books.",
}
"""Why something is unmatched → the sentence that finance reads."""

HEADINGS = {
    "sale": "Sale",
    "refund": "Refund",
    "shares_held": "Shares held",
    "shares_released": "Shares released",
    "shares_cancelled": "Shares cancelled",
    "stripe_charge": "Stripe: charge",
    "stripe_refund": "Stripe: refund",
    "stripe_payout": "Stripe: payout",
    "stripe_fee": "Stripe: fee",
    "stripe_dispute": "Stripe: dispute",
    "stripe_dispute_reversal": "Stripe: dispute won",
    "charge": "Charge",
    "payout": "Payout",
    "fee": "Fee",
    "dispute": "Dispute",
    "dispute_reversal": "Dispute won",
    "awaiting_payment": "Awaiting payment",
    "paid": "Paid",
    "lapsed": "Lapsed",
    "refunded": "Refunded",
    "requested": "Requested",
    "open": "Open",
    "expired": "Expired",
    "failed": "Failed",
    "held": "Held",
    "released": "Released",
    "cancelled": "Cancelled",
    "pending": "Pending",
    "done": "Done",
    "available": "Available",
    "checkout": "Open the payment page",
    "expire_session": "Close the payment page",
}
"""What the books and Stripe call things → how finance reads it."""


def source_path(kind: str, source_id: str) -> str | None:
    """Return the page of what an entry records."""
    if kind in ("sale", "refund"):
        return f"/finance/orders/{source_id}"
    if kind.startswith("shares_"):
        return f"/finance/licences/{source_id}"
    if kind.startswith("stripe_"):
        return f"/finance/transactions/{source_id}"
    return None
