"""Columns and constraints of what two people judged of an offer: whether its revenue is ours, gross, or an agent's, net."""

from __future__ import annotations

from piccolo.columns import UUID, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.catalogue.tables import Offer
from marketplace.database import DB
from marketplace.identity.tables import Person
from marketplace.personal_data import FOR_GOOD, Erasure, Of, PersonalData


class RevenueJudgement(Table, db=DB, tablename="revenue_judgement"):
    """Someone's proposal of whether we sell an offer as principal or as agent (IFRS 15, B34 to B38), and another's decision.

    It counts for what is ordered from its decision on, and the offer's first for all before it, too; before any, we are the
    principal.
    """

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    offer = ForeignKey(Offer, null=False, on_delete=OnDelete.restrict)
    role = Text()
    """principal: revenue is what the partner pays; agent: what of it stays ours."""
    control = Text()
    """Who answers for the data towards the partner, and controls them before they are its (B37a)."""
    risk = Text()
    """Who bears the cost where nobody buys, or money goes back (B37b)."""
    price = Text()
    """Who sets the price (B37c)."""
    proposed_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    proposed_at = Timestamptz()
    decided_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    decided_at = Timestamptz(null=True, default=None)
    approved = Boolean(null=True, default=None)
    known_role = Check("role IN ('principal', 'agent')")
    each_reason_is_given = Check(
        "least(length(btrim(control)), length(btrim(risk)), length(btrim(price))) >= 3 "
        "AND greatest(length(control), length(risk), length(price)) <= 2000"
    )
    four_eyes = Check("decided_by <> proposed_by")
    decided_whole = Check("num_nonnulls(decided_by, decided_at, approved) IN (0, 3)")
