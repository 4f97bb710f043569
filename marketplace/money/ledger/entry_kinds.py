"""The kinds of journal entry: what fact each records, which accounts it may move, and its label in both languages.

`record` refuses a kind that is not here and a posting that its kind does not allow, so a new kind begins in this file.
Entry texts are append-only and stay in the language they were written in; the label is what a reader is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.words import Bilingual, Words
from marketplace.money.ledger import chart

if TYPE_CHECKING:
    from collections.abc import Iterable

ANY: Final = ""
"""Any account, where a person chooses it."""


class EntryKind(Struct, frozen=True):
    """A kind of entry. `moves` are the pairs (debit, credit) its postings may have."""

    code: str
    label: Words | Bilingual
    source: str
    """The table whose row the source id names; empty: a number of its own."""
    moves: frozenset[tuple[str, str]]
    exception: str = ""
    """The code of the exception that names a fact of this kind without its entry, or an entry without its fact."""
    invariant: str = ""
    """The sentence of the invariant that enforces the same where no exception is needed."""

    def allows(self, debit: str, credit: str) -> bool:
        """Return whether a posting of this kind may debit and credit these accounts."""
        return not self.moves.isdisjoint({(debit, credit), (ANY, credit), (debit, ANY), (ANY, ANY)})


def both_ways(*pairs: tuple[str, str]) -> frozenset[tuple[str, str]]:
    """Return the pairs of accounts, and the same with debit and credit exchanged."""
    return frozenset(pairs) | {(credit, debit) for debit, credit in pairs}


CREDIT: Final = "what a sale on credit was granted, returned, provided for and lost is entered for its amount"


def _stripe(category: str, account: str, label: Words | Bilingual) -> EntryKind:
    """Return the kind of a balance transaction of one of Stripe's reporting categories; its fee is part of the entry."""
    moves = both_ways((chart.STRIPE, account), (chart.STRIPE, chart.STRIPE_FEES))
    return EntryKind(f"stripe_{category}", label, "balance_transaction", moves, "not_posted")


MATCHES: Final = ("bank_match", "vat_settled")
"""The kinds of entry that say what a bank line is."""
KINDS: Final = (
    EntryKind(
        "sale",
        Words("Sale of a licence"),
        "purchase_order",
        frozenset({(chart.PARTNERS, chart.LICENCES_SOLD), (chart.PARTNERS, chart.VAT_COLLECTED)}),
        "charge_without_sale",
    ),
    EntryKind(
        "sale_cancelled",
        Words("Sale cancelled to correct its invoice"),
        "invoice_correction",
        frozenset({(chart.LICENCES_SOLD, chart.PARTNERS), (chart.VAT_COLLECTED, chart.PARTNERS)}),
        invariant="a correction of an invoice is entered back and forth for what it says",
    ),
    EntryKind(
        "sale_reissued",
        Words("Sale invoiced again"),
        "invoice_correction",
        frozenset({(chart.PARTNERS, chart.LICENCES_SOLD), (chart.PARTNERS, chart.VAT_COLLECTED)}),
        invariant="a correction of an invoice is entered back and forth for what it says",
    ),
    EntryKind(
        "refund",
        Words("Refund"),
        "order_return",
        frozenset({(chart.LICENCES_SOLD, chart.PARTNERS), (chart.VAT_COLLECTED, chart.PARTNERS)}),
        "refund_without_entry",
    ),
    EntryKind(
        "dispute_lost",
        Words("Lost dispute"),
        "order_return",
        frozenset({(chart.LICENCES_SOLD, chart.DISPUTES), (chart.VAT_COLLECTED, chart.DISPUTES)}),
        "dispute_differs",
    ),
    EntryKind(
        "credit_granted",
        Words("Sale on credit"),
        "credit_sale",
        frozenset({(chart.ON_CREDIT, chart.PARTNERS)}),
        invariant=CREDIT,
    ),
    EntryKind(
        "credit_return",
        Words("Return of a sale on credit"),
        "credit_movement",
        frozenset({(chart.PARTNERS, chart.ON_CREDIT)}),
        invariant=CREDIT,
    ),
    EntryKind(
        "credit_provision",
        Words("Provision for a doubtful debt"),
        "credit_movement",
        frozenset({(chart.PROVISIONS_MADE, chart.PROVISIONS)}),
        "credit_overdue",
        invariant=CREDIT,
    ),
    EntryKind(
        "credit_provision_released",
        Words("Provision for a debt released"),
        "credit_movement",
        frozenset({(chart.PROVISIONS, chart.PROVISIONS_RELEASED)}),
        invariant=CREDIT,
    ),
    EntryKind(
        "credit_loss",
        Words("Bad debt"),
        "credit_movement",
        frozenset({(chart.LOSSES, chart.ON_CREDIT), (chart.VAT_RECLAIMED, chart.ON_CREDIT)}),
        "credit_overdue",
        invariant=CREDIT,
    ),
    EntryKind(
        "credit_loss_undone",
        Words("Bad debt undone"),
        "credit_movement",
        frozenset({(chart.ON_CREDIT, chart.LOSSES), (chart.ON_CREDIT, chart.VAT_RECLAIMED)}),
        invariant=CREDIT,
    ),
    EntryKind(
        "deposit_forfeited",
        Words("Forfeited auction deposit"),
        "auction_deposit",
        frozenset({(chart.PARTNERS, chart.FORFEITED_DEPOSITS)}),
        "deposit_differs",
        invariant="a forfeited deposit is entered once as forfeited, for what was captured, and no other is",
    ),
    EntryKind(
        "penalty_received",
        Words("Penalty for an unpaid award"),
        "auction_deposit",
        frozenset({(chart.PARTNERS, chart.PENALTIES)}),
        "deposit_differs",
        invariant="a penalty is entered once, for what was paid of it, and no deposit is entered as one",
    ),
    EntryKind(
        "deposit_charged_back",
        Words("Forfeited deposit reversed"),
        "dispute",
        frozenset({(chart.FORFEITED_DEPOSITS, chart.DISPUTES)}),
        "dispute_open",
        invariant="what a bank reversed of a forfeited deposit is entered against disputes, and nothing else is",
    ),
    EntryKind(
        "penalty_charged_back",
        Words("Penalty reversed"),
        "dispute",
        frozenset({(chart.PENALTIES, chart.DISPUTES)}),
        "dispute_open",
        invariant="what a bank reversed of a penalty is entered against disputes, and nothing else is",
    ),
    EntryKind(
        "deposit_given_back",
        Words("Forfeited deposit given back"),
        "balance_transaction",
        both_ways((chart.FORFEITED_DEPOSITS, chart.PARTNERS)),
        "deposit_differs",
        invariant="what was given back of a forfeited deposit or a penalty is entered for what Stripe moved",
    ),
    EntryKind(
        "penalty_given_back",
        Words("Penalty given back"),
        "balance_transaction",
        both_ways((chart.PENALTIES, chart.PARTNERS)),
        "deposit_differs",
        invariant="what was given back of a forfeited deposit or a penalty is entered for what Stripe moved",
    ),
    EntryKind(
        "shares_held",
        Words("Shares held"),
        "licence_split",
        frozenset(
            {
                (chart.SUBSCRIBERS_SHARES, chart.SUBSCRIBERS_HELD),
                (chart.OPERATOR_SHARE, chart.SUBSCRIBERS_HELD),
                (chart.OPERATOR_SHARE, chart.OPERATOR_PAYABLE),
                (chart.OPERATOR_PAYABLE, chart.OPERATOR_SHARE),
            }
        ),
        invariant="a split is entered in the books for what it says, and ended there as it ended",
    ),
    EntryKind(
        "shares_released",
        Words("Shares released"),
        "licence_split",
        frozenset({(chart.SUBSCRIBERS_HELD, chart.SUBSCRIBERS_PAYABLE)}),
        invariant="a split is entered in the books for what it says, and ended there as it ended",
    ),
    EntryKind(
        "rounding_returned",
        Words("Rounding of shares returned"),
        "share_close",
        frozenset({(chart.SUBSCRIBERS_PAYABLE, chart.OPERATOR_PAYABLE)}),
        invariant="what a close released is its shares, and its rounding is returned to the operator or carried",
    ),
    EntryKind(
        "shares_cancelled",
        Words("Shares cancelled"),
        "licence_split",
        frozenset(
            {
                (chart.SUBSCRIBERS_HELD, chart.SUBSCRIBERS_SHARES),
                (chart.SUBSCRIBERS_HELD, chart.OPERATOR_SHARE),
                (chart.OPERATOR_PAYABLE, chart.OPERATOR_SHARE),
                (chart.OPERATOR_SHARE, chart.OPERATOR_PAYABLE),
            }
        ),
        invariant="a split is entered in the books for what it says, and ended there as it ended",
    ),
    EntryKind(
        "shares_lost",
        Words("Shares lost to a refund"),
        "licence_split",
        frozenset(
            {
                (chart.LOSSES, chart.SUBSCRIBERS_SHARES),
                (chart.LOSSES, chart.OPERATOR_SHARE),
                (chart.OPERATOR_PAYABLE, chart.OPERATOR_SHARE),
            }
        ),
        invariant="what subscribers keep though the money went back is the operator's loss, in proportion",
    ),
    EntryKind(
        "payout_sent",
        Words("Payouts sent"),
        "payout_run",
        frozenset({(chart.SUBSCRIBERS_PAYABLE, chart.SUBSCRIBERS_IN_TRANSIT)}),
        "payout_without_line",
    ),
    EntryKind(
        "payout_back",
        Words("Payouts refused or returned"),
        "",
        frozenset({(chart.SUBSCRIBERS_IN_TRANSIT, chart.SUBSCRIBERS_PAYABLE)}),
        "payout_kept",
    ),
    EntryKind(
        "rewards_moved",
        Words("Bill credits, gifts and benefits"),
        "reward_run",
        frozenset(
            (chart.SUBSCRIBERS_PAYABLE, account) for account in (chart.BILL_CREDITS, chart.GIFTS, chart.BENEFITS)
        ),
        invariant="what bills, gifts and benefits still owe is what their accounts say, before payments to associations",
    ),
    EntryKind(
        "rewards_answered",
        Words("Credits and benefits that the operator gave"),
        "reward_answer",
        frozenset((account, chart.OPERATOR_PAYABLE) for account in (chart.BILL_CREDITS, chart.BENEFITS)),
        invariant="what bills, gifts and benefits still owe is what their accounts say, before payments to associations",
    ),
    EntryKind(
        "rewards_back",
        Words("Credits and benefits that billing refused"),
        "reward_answer",
        frozenset((account, chart.SUBSCRIBERS_PAYABLE) for account in (chart.BILL_CREDITS, chart.BENEFITS)),
        invariant="what bills, gifts and benefits still owe is what their accounts say, before payments to associations",
    ),
    EntryKind(
        "bank_opening",
        Words("Opening balance at the bank"),
        "bank_account",
        both_ways((chart.BANK, chart.OPENING_BALANCES)),
        invariant="each bank line is entered for its amount, and nothing else moves the bank's account but its opening",
    ),
    EntryKind(
        "bank_line",
        Words("Bank line"),
        "bank_line",
        both_ways((chart.BANK, chart.SUSPENSE)),
        "line_unexplained",
    ),
    EntryKind(
        "bank_match",
        Words("Bank line explained"),
        "bank_match",
        both_ways((chart.SUSPENSE, ANY)),
        invariant="a match is entered for its amount, and reversed exactly when it is undone",
    ),
    EntryKind(
        "vat_settled",
        Words("VAT settled with the tax office"),
        "bank_match",
        both_ways(*((chart.SUSPENSE, account) for account in chart.VAT)),
        invariant="a match is entered for its amount, and reversed exactly when it is undone",
    ),
    EntryKind(
        "write_off",
        Words("Write-off"),
        "proposal",
        frozenset(
            {
                (ANY, chart.DIFFERENCES_GAINED),
                (chart.DIFFERENCES_LOST, ANY),
                (chart.LOSSES, ANY),
            }
        ),
        invariant="a write-off is entered for what two people agreed to",
    ),
    EntryKind(
        "reversal",
        Words("Reversal"),
        "journal_entry",
        frozenset({(ANY, ANY)}),
        invariant="a reversal moves exactly what it reverses, the other way",
    ),
    _stripe("charge", chart.PARTNERS, Words("Stripe: charge")),
    _stripe("charge_failure", chart.PARTNERS, Words("Stripe: failed charge")),
    _stripe(
        "partial_capture_reversal",
        chart.PARTNERS,
        Words("Stripe: partial capture reversal"),
    ),
    _stripe("refund", chart.PARTNERS, Words("Stripe: refund")),
    _stripe("refund_failure", chart.PARTNERS, Words("Stripe: failed refund")),
    _stripe("dispute", chart.DISPUTES, Words("Stripe: dispute")),
    _stripe("dispute_reversal", chart.DISPUTES, Words("Stripe: dispute reversal")),
    _stripe("payout", chart.TRANSFERS, Words("Stripe: payout")),
    _stripe("payout_reversal", chart.TRANSFERS, Words("Stripe: payout reversal")),
    _stripe("transfer", chart.SUBSCRIBERS_IN_TRANSIT, Words("Stripe: transfer")),
    _stripe("transfer_reversal", chart.SUBSCRIBERS_IN_TRANSIT, Words("Stripe: transfer reversal")),
    _stripe("topup", chart.TRANSFERS, Words("Stripe: top-up")),
    _stripe("topup_reversal", chart.TRANSFERS, Words("Stripe: top-up reversal")),
    _stripe("fee", chart.STRIPE_FEES, Words("Stripe: fee")),
    _stripe("network_cost", chart.STRIPE_FEES, Words("Stripe: network cost")),
)
ENTRY_KINDS: Final = {kind.code: kind for kind in KINDS}


def find_kind(code: str) -> EntryKind | None:
    """Return a kind; also that of a category of Stripe's outside the chart, whose account two people chose."""
    category = code.removeprefix("stripe_")
    if code in ENTRY_KINDS or category == code:
        return ENTRY_KINDS.get(code)
    words = category.replace("_", " ")
    return _stripe(category, ANY, Bilingual(f"Stripe : {words}", f"Stripe: {words}"))


def check_moves(code: str, moves: Iterable[tuple[str, str]]) -> None:
    """Fail (a programmer's error) on an unknown kind, or on a debit and credit that the kind does not move."""
    kind = find_kind(code)
    assert kind, f"{code} is not a kind of entry: add it to entry_kinds.py"
    wrong = [pair for pair in moves if not kind.allows(*pair)]
    assert not wrong, f"an entry of kind {code} does not move {wrong}"
