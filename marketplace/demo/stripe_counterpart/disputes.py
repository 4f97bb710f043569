"""Disputes (chargebacks): the amount and a fee are withdrawn at once; the amount is reinstated only if we win."""

from marketplace.demo.stripe_counterpart.balance import NewTransaction, add_balance_transaction
from marketplace.demo.stripe_counterpart.errors import ApiError
from marketplace.demo.stripe_counterpart.events import emit
from marketplace.demo.stripe_counterpart.responses import to_public
from marketplace.demo.stripe_counterpart.state import DAY, StripeState
from marketplace.demo.stripe_counterpart.stripe_types import Json

DISPUTE_FEE = 2000
_DAYS_TO_ANSWER = 7
_CLOSED = ("won", "lost", "warning_closed", "prevented")


def open_dispute(state: StripeState, charge: Json, amount: int | None = None, reason: str | None = None) -> Json:
    """Dispute a charge, whole unless an amount in cents is given; a disputed debit is lost at once."""
    if charge["disputed"]:
        raise ApiError(400, f"Charge {charge['id']} is already disputed.", code="charge_disputed")
    if not charge["captured"]:
        raise ApiError(400, f"Charge {charge['id']} has not been captured.")
    is_debit = charge["payment_method_details"]["type"] == "sepa_debit"
    dispute = state.add(
        "dispute",
        amount=amount or charge["amount_captured"],
        charge=charge["id"],
        currency=charge["currency"],
        is_charge_refundable=False,
        payment_intent=charge["payment_intent"],
        reason=reason or ("insufficient_funds" if is_debit else "fraudulent"),
        status="needs_response",
    )
    dispute["evidence_details"].update(due_by=state.now() + _DAYS_TO_ANSWER * DAY, submission_method="not_submitted")
    withdrawal = NewTransaction(
        "adjustment",
        "dispute",
        -dispute["amount"],
        charge["currency"],
        dispute["id"],
        fee=DISPUTE_FEE,
        description=f"Chargeback withdrawal for {charge['id']}",
        fee_description="Dispute fee",
    )
    dispute["balance_transactions"] = [to_public(add_balance_transaction(state, withdrawal))]
    charge["disputed"] = True
    emit(state, "charge.dispute.created", dispute)
    emit(state, "charge.dispute.funds_withdrawn", dispute)
    return close_dispute(state, dispute, won=False) if is_debit else dispute


def answer_dispute(state: StripeState, dispute: Json, params: Json) -> Json:
    """Add evidence; `winning_evidence` and `losing_evidence` as uncategorized text decide it once submitted."""
    _refuse_closed(dispute)
    evidence = params.get("evidence", {})
    dispute["evidence"].update(evidence)
    dispute["metadata"] = {**dispute["metadata"], **params.get("metadata", {})}
    dispute["evidence_details"]["has_evidence"] = bool(evidence) or dispute["evidence_details"]["has_evidence"]
    if not params.get("submit", bool(evidence)):
        emit(state, "charge.dispute.updated", dispute, previous={})
        return dispute
    dispute["evidence_details"].update(
        submission_count=dispute["evidence_details"]["submission_count"] + 1, submission_method="manual"
    )
    dispute["status"] = "under_review"
    emit(state, "charge.dispute.updated", dispute, previous={"status": "needs_response"})
    verdict = {"winning_evidence": True, "losing_evidence": False}.get(evidence.get("uncategorized_text"))
    return dispute if verdict is None else close_dispute(state, dispute, won=verdict)


def close_dispute(state: StripeState, dispute: Json, *, won: bool) -> Json:
    """Close a dispute; if won, the amount is reinstated, not the fee."""
    _refuse_closed(dispute)
    dispute["status"] = "won" if won else "lost"
    if won:
        reversal = NewTransaction(
            "adjustment",
            "dispute_reversal",
            dispute["amount"],
            dispute["currency"],
            dispute["id"],
            description=f"Chargeback reversal for {dispute['charge']}",
        )
        dispute["balance_transactions"].append(to_public(add_balance_transaction(state, reversal)))
        emit(state, "charge.dispute.funds_reinstated", dispute)
    emit(state, "charge.dispute.closed", dispute)
    return dispute


def _refuse_closed(dispute: Json) -> None:
    if dispute["status"] in _CLOSED:
        raise ApiError(400, f"This dispute is already closed: {dispute['status']}.")
