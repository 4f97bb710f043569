"""What finance reads into a row and decides without asking: reasons in words, scores of candidates, what a write-off posts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from marketplace.errors import Invalid
from marketplace.ledger import chart

LONGEST_EUROS, CENTS_DIGITS = 9, 2

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

SENTENCES = {
    "unknown_category": "Stripe’s category “%(detail)s” has no account in the chart: nothing was posted.",
    "other_currency": "Stripe moved %(detail)s and the books are in euros: nothing was posted.",
    "charge_without_payment": "Money that no payment of ours asked for.",
    "charge_without_order": "A payment without an order.",
    "charge_without_sale": "Paid, and the order is not sold: it is %(detail)s.",
    "not_posted": "A movement of Stripe’s balance (%(detail)s) is not in the books yet.",
    "entry_differs": "Stripe moved another amount than its entry in the books, which moves %(detail)s cents.",
    "charge_differs": "What came in is not what the order owes, which is %(detail)s cents.",
    "sale_without_charge": "Sold; Stripe has not shown the money yet.",
    "refund_without_entry": "Refunded at Stripe; the books do not refund as much of the sale.",
    "refund_without_movement": "Refunded in the books; Stripe has not shown it yet.",
    "refund_failed": "The bank returned the refund: the partner is still owed.",
    "dispute_open": "The payer’s bank took the money back in a dispute.",
    "payout_differs": "The payout’s transactions do not add up to it.",
    "dispute_differs": "A dispute took another amount than was left of the sale, of which the books lost %(detail)s cents.",
    "run_undecided": "A payout run waits for somebody’s decision.",
    "run_unanswered": "A payout run was sent to the bank, which has not paid all of it yet.",
    "payout_without_line": "Stripe paid this out, and no bank line shows it.",
    "payout_kept": "The bank refused a subscriber’s payout, took its money all the same, and has not brought it back.",
    "transfer_unasked": "Stripe moved money between us and a subscriber’s account, and no payout of ours asked for it.",
    "line_unexplained": "The bank moved this, and nothing explains it: %(detail)s",
    "statement_gap": "A bank statement is missing before this one: %(detail)s.",
    "entitlement_without_money": "The money went back, and the partner may still read.",
    "money_without_entitlement": "The money is here, and the partner may not read.",
    "download_without_money": "Read after the money went back: %(detail)s downloads.",
    "event_amiss": "An event could not be put to use: %(detail)s",
    "command_failed": "Stripe refused what we asked: %(detail)s",
    "balance_differs": "Stripe’s balance and the books differ: %(detail)s cents in the books.",
}
"""Why something is unmatched → the sentence that finance reads."""

ADVICE = {
    "unknown_category": "Have the category given an account; it is then posted by itself.",
    "other_currency": "Ask Stripe why it moves another currency; nothing of it can be in these books.",
    "charge_without_payment": "Find out who paid. Refund it at Stripe, or let two people keep it.",
    "charge_without_order": "Find out who paid. Refund it at Stripe, or let two people keep it.",
    "charge_without_sale": "The job grants it within seconds. If it stays, an engineer must look.",
    "not_posted": "The next comparison with Stripe posts it. If it stays, an engineer must look.",
    "entry_differs": "An entry is never edited: an engineer must find the cause, and a reversal corrects it.",
    "charge_differs": "Ask the partner for what is missing, or refund what is too much; two people may let a small difference go.",
    "sale_without_charge": "Wait for Stripe’s next transactions, or match the bank transfer that paid it.",
    "refund_without_entry": "The job records it within seconds, unless more was refunded at Stripe than was left: then two people write the rest off.",
    "refund_without_movement": "Wait for Stripe’s next transactions; then look at the command on the order’s page.",
    "refund_failed": "Ask the partner for an account that works, then press Refund on the order’s page again.",
    "dispute_open": "Answer the dispute at Stripe before its day; the bank decides, and the books follow.",
    "dispute_differs": "The money was refunded already, and the bank took it too. Answer the dispute, ask the partner, or let two people write the rest off as a loss.",
    "payout_differs": "Ask Stripe for the payout’s report: a transaction of it is not ours.",
    "payout_without_line": "Import the bank’s latest statement, then match the line.",
    "payout_kept": "Ask the bank to bring it back, then match the line. If it says that it did pay, two people write it off.",
    "transfer_unasked": "Find out who moved it at Stripe, and have it moved back; what stays missing, two people write off.",
    "run_undecided": "One person looks through it, a second approves it, or either cancels it.",
    "run_unanswered": "Fetch the bank’s report and its statement. A file the bank lost may be sent again: it has the same name and is paid once.",
    "line_unexplained": "Match it with a candidate, split it, or let two people write it off.",
    "statement_gap": "Ask the bank for the missing statement and import it.",
    "entitlement_without_money": "Refund the order on its page, which ends the entitlement, or let it go if the partner pays.",
    "money_without_entitlement": "Give the money back on the order’s page, or find out why the licence ended.",
    "download_without_money": "Speak with the partner; two people acknowledge it.",
    "event_amiss": "Look at the object in Stripe’s dashboard; two people acknowledge it.",
    "command_failed": "Ask again or give up, on the page of what is stuck.",
    "balance_differs": "The other exceptions say what it is made of; compare again once they are settled.",
}
"""Why something is unmatched → what finance does about it."""

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
    "bank_line": "Bank line",
    "bank_match": "Bank line explained",
    "bank_opening": "Opening balance",
    "write_off": "Write-off",
    "reversal": "Reversal",
    "payout_sent": "Payouts sent",
    "payout_back": "Payouts back",
    "dispute_lost": "Dispute lost",
    "order": "Order",
    "payout_line": "Subscriber’s payout",
    "line_matched": "Bank line matched",
    "line_split": "Bank line split",
    "match_undone": "Match undone",
    "write_off_proposed": "Write-off proposed",
    "write_off_approved": "Write-off approved",
    "write_off_refused": "Write-off refused",
    "bank_statement_imported": "Bank statement imported",
    "period_closed": "Period closed",
    "entry_reversed": "Entry reversed",
    "order_refunded": "Refund decided",
    "command_retried": "Asked Stripe again",
    "command_given_up": "Gave up asking Stripe",
    "amount_equal": "same amount",
    "amount_close": "near amount",
    "reference_found": "reference found",
    "same_days": "same days",
    "near_days": "near days",
    "name_alike": "name alike",
    "only_one": "only one that fits",
    "chosen": "chosen by hand",
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
    "customer": "Make a customer",
    "setup": "Open the page that saves a payment method",
    "capture": "Take a deposit",
    "release": "Let a deposit go",
    "forget": "Forget a payment method",
    "charged_back": "Lost to a dispute",
    "processing": "On its way",
    "authorised": "Authorised",
}
"""What the books and Stripe call things → how finance reads it."""


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


def may_write_off(why: str) -> bool:
    """Tell whether two people may let an exception of this reason go; what must be mended at its source may not."""
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


@dataclass(frozen=True, slots=True)
class Clue:
    """What is known of one side of a possible match."""

    amount_minor: int
    day: dt.date
    references: Sequence[str] = ()
    """What names it: numbers and ids."""
    words: str = ""
    """Everything written on it, where a reference of the other side may be found."""
    name: str = ""


EQUAL, CLOSE, NAMED, SOON, LATER, ALIKE = 50, 20, 30, 10, 5, 10
CLOSE_BY, SOON_DAYS, LATER_DAYS, LIKENESS = 50, 3, 10, 0.75
SHORTEST_REFERENCE: Final = 4


def score(one: Clue, other: Clue) -> tuple[int, list[str]]:
    """Return how likely two things are the same money, from 0 to 100, and why."""
    points, reasons = 0, []
    difference = abs(one.amount_minor - other.amount_minor)
    if not difference:
        points, reasons = EQUAL, ["amount_equal"]
    elif difference * CLOSE_BY <= abs(one.amount_minor):
        points, reasons = CLOSE, ["amount_close"]
    if _names(one, other) or _names(other, one):
        points, reasons = points + NAMED, [*reasons, "reference_found"]
    days = abs((one.day - other.day).days)
    if days <= LATER_DAYS:
        points += SOON if days <= SOON_DAYS else LATER
        reasons.append("same_days" if days <= SOON_DAYS else "near_days")
    if one.name and other.name and likeness(one.name, other.name) >= LIKENESS:
        points, reasons = points + ALIKE, [*reasons, "name_alike"]
    return points, reasons


def _names(one: Clue, other: Clue) -> bool:
    words = _plain(other.words)
    return any(len(_plain(name)) >= SHORTEST_REFERENCE and _plain(name) in words for name in one.references)


def likeness(one: str, other: str) -> float:
    """Return how alike two names are, from 0 to 1, whatever their case, marks and legal form."""
    first, second = _name(one), _name(other)
    if first and second and (first in second or second in first):
        return 1.0
    return SequenceMatcher(None, first, second).ratio()


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _name(text: str) -> str:
    return " ".join(
        word
        for word in re.sub(r"[^\w ]", " ", text.lower()).split()
        if word not in {"sas", "sa", "sarl", "ltd", "gmbh", "inc"}
    )


AMOUNT: Final = re.compile(r"([-−+]?)\s*(\d[\d\s\u00a0\u202f]{0,20})(?:[.,](\d{1,2}))?\s*€?")


def read_amount(text: str) -> int:
    """Return cents from an amount as people write it, `1 234,5` or `-12.34`; refuse anything else."""
    found = AMOUNT.fullmatch(text.strip())
    if not found:
        raise Invalid("“{text}” is not an amount.", text=text[:40])
    whole = int(re.sub(r"\D", "", found[2])) * 100 + int((found[3] or "0").ljust(2, "0"))
    return -whole if found[1] in ("-", "−") else whole


SOURCES: Final = {
    "sale": "/finance/orders",
    "shares_": "/finance/licences",
    "stripe_": "/finance/transactions",
    "bank_line": "/finance/bank/lines",
    "payout_sent": "/finance/payout-runs",
    "reversal": "/finance/journal",
}
"""How an entry's kind begins → where what it records is shown."""


def cents_of(text: str) -> int | None:
    """Return an amount in euros as people write it (`12`, `12.50`, `12,5`) in cents; None when nothing is written."""
    if not text.strip():
        return None
    written = text.strip().replace(",", ".").replace("\u00a0", "").replace("\u202f", "").replace(" ", "")
    euros, _, cents = written.partition(".")
    if not (euros.isascii() and euros.isdigit() and len(euros) <= LONGEST_EUROS):
        raise Invalid("That is not an amount in euros: {text}.", text=text[:40])
    if cents and not (cents.isascii() and cents.isdigit() and len(cents) <= CENTS_DIGITS):
        raise Invalid("That is not an amount in euros: {text}.", text=text[:40])
    return int(euros) * 100 + int(cents.ljust(CENTS_DIGITS, "0") or 0)


def source_path(kind: str, source_id: str) -> str | None:
    """Return the page of what an entry records."""
    for start, page in SOURCES.items():
        if kind.startswith(start):
            return f"{page}/{source_id.partition('/')[0]}"
    return None
