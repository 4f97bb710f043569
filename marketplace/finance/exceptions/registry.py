"""The kinds of exception, by code: adding one is a file beside this one, its name here, and its test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.finance.exceptions import (
    balance_differs,
    charge_differs,
    charge_without_order,
    charge_without_payment,
    charge_without_sale,
    claim_waiting,
    command_failed,
    credit_waiting,
    deposit_differs,
    dispute_differs,
    dispute_open,
    download_without_money,
    einvoice_rejected,
    einvoice_waiting,
    entitlement_without_money,
    entry_differs,
    event_failed,
    line_unexplained,
    money_without_entitlement,
    not_posted,
    notice_without_line,
    other_currency,
    payout_differs,
    payout_kept,
    payout_without_line,
    penalty_unpaid,
    refund_failed,
    refund_without_entry,
    refund_without_movement,
    run_unanswered,
    run_undecided,
    sale_unreported,
    sale_without_charge,
    settled_after_write_off,
    statement_gap,
    transfer_unasked,
    unknown_category,
)

if TYPE_CHECKING:
    from marketplace.finance.exceptions.kind import ExceptionKind

EXCEPTIONS: Final[dict[str, ExceptionKind]] = {
    module.KIND.code: module.KIND
    for module in (
        other_currency,
        unknown_category,
        not_posted,
        entry_differs,
        charge_without_payment,
        charge_without_order,
        deposit_differs,
        penalty_unpaid,
        charge_without_sale,
        charge_differs,
        sale_without_charge,
        refund_without_entry,
        refund_without_movement,
        refund_failed,
        claim_waiting,
        credit_waiting,
        dispute_open,
        dispute_differs,
        entitlement_without_money,
        money_without_entitlement,
        download_without_money,
        payout_differs,
        payout_without_line,
        run_undecided,
        run_unanswered,
        payout_kept,
        line_unexplained,
        statement_gap,
        notice_without_line,
        event_failed,
        command_failed,
        settled_after_write_off,
        balance_differs,
        transfer_unasked,
        einvoice_rejected,
        einvoice_waiting,
        sale_unreported,
    )
}
"""Code → kind."""
