"""The waiting work of this district: claims, which two people decide."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.tasks.queries import selected
from marketplace.people.tasks.rules import FINANCE, STEWARD, TaskKind

CLAIM_TO_DECIDE: Final = TaskKind(
    "claim",
    Words("Claim to decide"),
    FINANCE | STEWARD,
    selected(
        """SELECT
           number AS title_fr, number AS title_en, coalesce(refund_minor, total_minor) AS amount_minor,
           coalesce(proposed_at, filed_at) AS since, '/staff/claims' AS path, proposed_by AS asked_by,
           person.name AS asked_by_name
       FROM claim
       JOIN purchase_order ON purchase_order.id = purchase_order
       LEFT JOIN person ON person.id = proposed_by
       WHERE outcome = ''"""
    ),
)

KINDS: Final = (CLAIM_TO_DECIDE,)
