"""Disputes: a holder takes a charge back; the money leaves at once with a fee and returns only if we win."""

from marketplace.embedded.stripe_counterpart.balance import Movement, move
from marketplace.embedded.stripe_counterpart.contract import Json, shown
from marketplace.embedded.stripe_counterpart.events import emit
from marketplace.embedded.stripe_counterpart.refusals import Refused
from marketplace.embedded.stripe_counterpart.world import DAY, World

DISPUTE_FEE = 2000
_DAYS_TO_ANSWER = 7
_CLOSED = ("won", "lost", "warning_closed", "prevented")


def open_dispute(world: World, charge: Json, amount: int | None = None, reason: str | None = None) -> Json:
    """Dispute a charge, whole unless an amount in cents is given; a debit taken back by its bank is lost at once."""
    if charge["disputed"]:
        raise Refused(400, f"Charge {charge['id']} is already disputed.", code="charge_disputed")
    if not charge["captured"]:
        raise Refused(400, f"Charge {charge['id']} has not been captured.")
    is_debit = charge["payment_method_details"]["type"] == "sepa_debit"
    dispute = world.add(
        "dispute",
        amount=amount or charge["amount_captured"],
        charge=charge["id"],
        currency=charge["currency"],
        is_charge_refundable=False,
        payment_intent=charge["payment_intent"],
        reason=reason or ("insufficient_funds" if is_debit else "fraudulent"),
        status="needs_response",
    )
    dispute["evidence_details"].update(due_by=world.now() + _DAYS_TO_ANSWER * DAY, submission_method="not_submitted")
    withdrawal = Movement(
        "adjustment",
        "dispute",
        -dispute["amount"],
        charge["currency"],
        dispute["id"],
        fee=DISPUTE_FEE,
        description=f"Chargeback withdrawal for {charge['id']}",
        fee_description="Dispute fee",
    )
    dispute["balance_transactions"] = [shown(move(world, withdrawal))]
    charge["disputed"] = True
    emit(world, "charge.dispute.created", dispute)
    emit(world, "charge.dispute.funds_withdrawn", dispute)
    return close_dispute(world, dispute, won=False) if is_debit else dispute


def answer_dispute(world: World, dispute: Json, params: Json) -> Json:
    """Add evidence; `winning_evidence` and `losing_evidence` as uncategorized text decide it once submitted."""
    _refuse_closed(dispute)
    evidence = params.get("evidence", {})
    dispute["evidence"].update(evidence)
    dispute["metadata"] = {**dispute["metadata"], **params.get("metadata", {})}
    dispute["evidence_details"]["has_evidence"] = bool(evidence) or dispute["evidence_details"]["has_evidence"]
    if not params.get("submit", bool(evidence)):
        emit(world, "charge.dispute.updated", dispute, previous={})
        return dispute
    dispute["evidence_details"].update(
        submission_count=dispute["evidence_details"]["submission_count"] + 1, submission_method="manual"
    )
    dispute["status"] = "under_review"
    emit(world, "charge.dispute.updated", dispute, previous={"status": "needs_response"})
    verdict = {"winning_evidence": True, "losing_evidence": False}.get(evidence.get("uncategorized_text"))
    return dispute if verdict is None else close_dispute(world, dispute, won=verdict)


def close_dispute(world: World, dispute: Json, *, won: bool) -> Json:
    """End a dispute; winning brings the amount back, though not the fee."""
    _refuse_closed(dispute)
    dispute["status"] = "won" if won else "lost"
    if won:
        reversal = Movement(
            "adjustment",
            "dispute_reversal",
            dispute["amount"],
            dispute["currency"],
            dispute["id"],
            description=f"Chargeback reversal for {dispute['charge']}",
        )
        dispute["balance_transactions"].append(shown(move(world, reversal)))
        emit(world, "charge.dispute.funds_reinstated", dispute)
    emit(world, "charge.dispute.closed", dispute)
    return dispute


def _refuse_closed(dispute: Json) -> None:
    if dispute["status"] in _CLOSED:
        raise Refused(400, f"This dispute is already closed: {dispute['status']}.")
