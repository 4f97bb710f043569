"""The waiting work of this district: datasets without an offer, and partners' requests."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.tasks.queries import selected
from marketplace.people.tasks.rules import STEWARD, TaskKind

DATASET_WITHOUT_OFFER: Final = TaskKind(
    "offer",
    Words("Published, but not on sale"),
    STEWARD,
    selected(
        """SELECT
           dataset.title_fr, dataset.title_en, NULL::bigint AS amount_minor, dataset.created_at AS since,
           '/steward/offers/' || dataset.code AS path, NULL::uuid AS asked_by, NULL AS asked_by_name
       FROM dataset
       WHERE EXISTS (
               SELECT
               FROM release
               WHERE release.dataset = dataset.code
                 AND release.state = 'sealed'
                 AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = release.id)
           )
         AND NOT EXISTS (SELECT FROM offer WHERE offer.dataset = dataset.code)"""
    ),
)
REQUEST_TO_ANSWER: Final = TaskKind(
    "request",
    Words("Request for data, to answer"),
    STEWARD,
    selected(
        """SELECT
           place AS title_fr, place AS title_en,
           (SELECT sum(most_minor)::bigint FROM data_request_partner WHERE data_request = data_request.id) AS amount_minor,
           asked_at AS since, '/steward/requests/' || id AS path, NULL::uuid AS asked_by, NULL AS asked_by_name
       FROM data_request
       WHERE state = 'open'"""
    ),
)

KINDS: Final = (DATASET_WITHOUT_OFFER, REQUEST_TO_ANSWER)
