"""The waiting work of this district: payout runs, which one person prepares, another approves and anyone sends."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.tasks.queries import selected
from marketplace.people.tasks.rules import FINANCE, TaskKind

RUN_TO_APPROVE: Final = TaskKind(
    "run_to_approve",
    Words("Payout run to approve"),
    FINANCE,
    selected(
        """SELECT
           to_char(drafted_at AT TIME ZONE 'Europe/Paris', 'YYYY-MM-DD') AS title_fr,
           to_char(drafted_at AT TIME ZONE 'Europe/Paris', 'YYYY-MM-DD') AS title_en, amount_minor, drafted_at AS since,
           '/finance/payout-runs/' || payout_run.id AS path, prepared_by AS asked_by, person.name AS asked_by_name
       FROM payout_run
       LEFT JOIN person ON person.id = prepared_by
       WHERE state = 'draft'"""
    ),
)
RUN_TO_SEND: Final = TaskKind(
    "run_to_send",
    Words("Payout run to send"),
    FINANCE,
    selected(
        """SELECT
           to_char(drafted_at AT TIME ZONE 'Europe/Paris', 'YYYY-MM-DD') AS title_fr,
           to_char(drafted_at AT TIME ZONE 'Europe/Paris', 'YYYY-MM-DD') AS title_en, amount_minor,
           coalesce(approved_at, drafted_at) AS since, '/finance/payout-runs/' || id AS path, NULL::uuid AS asked_by,
           NULL AS asked_by_name
       FROM payout_run
       WHERE state = 'approved'"""
    ),
)

KINDS: Final = (RUN_TO_APPROVE, RUN_TO_SEND)
