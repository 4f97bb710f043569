"""The waiting work of this district: companies that a steward vets."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.tasks.queries import selected
from marketplace.people.tasks.rules import STEWARD, TaskKind

PARTNER_TO_VET: Final = TaskKind(
    "partner",
    Words("Company to vet"),
    STEWARD,
    selected(
        """SELECT
           company AS title_fr, company AS title_en, NULL::bigint AS amount_minor, signed_up_at AS since,
           '/partners/' || id AS path, NULL::uuid AS asked_by, NULL AS asked_by_name
       FROM partner
       WHERE vetted_at IS NULL AND refused_reason IS NULL"""
    ),
)

KINDS: Final = (PARTNER_TO_VET,)
