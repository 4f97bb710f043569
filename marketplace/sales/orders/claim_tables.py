"""Columns and constraints of claims."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Person
from marketplace.sales.orders.tables import Order


class Claim(Table, db=DB, tablename="claim"):
    """A partner's claim that a purchase is wrong, one person's proposal, and another's decision."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    purchase_order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict)
    reason = Text()
    evidence = Text()
    """What the partner found; only staff read it."""
    filed_at = Timestamptz()
    proposal = Text(default="")
    """refund or dismissed, as the first person proposes; empty without a proposal."""
    refund_minor = BigInt(null=True, default=None)
    """Of a refund, VAT included, in cents."""
    answer = Text(default="")
    """The words of the decision for the partner."""
    proposed_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    proposed_at = Timestamptz(null=True, default=None)
    outcome = Text(default="")
    """Empty while the claim is open; then refund, dismissed or withdrawn."""
    decided_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    """The second person; null where the partner withdrew."""
    ended_at = Timestamptz(null=True, default=None)
    known_reason = Check("reason IN ('not_as_described', 'incomplete', 'wrong_figures', 'unreadable')")
    evidence_is_bounded = Check("length(btrim(evidence)) BETWEEN 3 AND 4000 AND length(answer) <= 2000")
    known_proposal = Check("proposal IN ('', 'refund', 'dismissed')")
    refund_is_an_amount = Check("(proposal = 'refund') = (refund_minor IS NOT NULL) AND coalesce(refund_minor, 1) > 0")
    proposed_whole = Check("num_nonnulls(proposed_by, proposed_at) = CASE proposal WHEN '' THEN 0 ELSE 2 END")
    four_eyes = Check("decided_by <> proposed_by")
    known_outcome = Check("outcome IN ('', 'withdrawn') OR (outcome = proposal AND decided_by IS NOT NULL)")
    ends_at_an_instant = Check("(outcome = '') = (ended_at IS NULL)")
