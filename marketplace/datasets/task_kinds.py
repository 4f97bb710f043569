"""The waiting work of this district: releases, refused builds and budgets."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.tasks.queries import selected
from marketplace.people.tasks.rules import STEWARD, TaskKind

RELEASE_TO_PUBLISH: Final = TaskKind(
    "release",
    Words("Release that passed the gate, to publish"),
    STEWARD,
    selected(
        """SELECT
           dataset.title_fr, dataset.title_en, NULL::bigint AS amount_minor, release.started_at AS since,
           '/steward/releases/' || release.id AS path, NULL::uuid AS asked_by, NULL AS asked_by_name
       FROM release
       JOIN dataset ON dataset.code = release.dataset
       WHERE release.state = 'assessed'"""
    ),
)
REFUSED_BUILD: Final = TaskKind(
    "build",
    Words("Build that was refused"),
    STEWARD,
    selected(
        """SELECT
           dataset.title_fr, dataset.title_en, NULL::bigint AS amount_minor, build_request.ended_at AS since,
           '/steward/datasets/' || dataset.code AS path, NULL::uuid AS asked_by, NULL AS asked_by_name
       FROM build_request
       JOIN dataset ON dataset.code = build_request.dataset
       WHERE build_request.refusal IS NOT NULL
         AND build_request.ended_at BETWEEN $1::timestamptz - interval '7 days' AND $1"""
    ),
)
BUDGET_NEAR_END: Final = TaskKind(
    "budget",
    Words("One release more at most, then the privacy budget is spent"),
    STEWARD,
    selected(
        """SELECT
           title_fr, title_en, NULL::bigint AS amount_minor, created_at AS since,
           '/steward/datasets/' || code AS path, NULL::uuid AS asked_by, NULL AS asked_by_name
       FROM dataset
       WHERE spent_micro > 0 AND spent_micro + 2 * epsilon_micro > budget_micro"""
    ),
)

KINDS: Final = (RELEASE_TO_PUBLISH, REFUSED_BUILD, BUDGET_NEAR_END)
