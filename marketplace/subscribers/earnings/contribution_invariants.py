"""Invariants of the index of contributions; the sweep checks them with all others."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant

INDEX: Final = (
    Invariant(
        "a sold release is in a live segment of the index, or in none yet",
        """SELECT sold_release.number, sold_release.release, contribution_segment.state
           FROM sold_release JOIN contribution_segment ON contribution_segment.id = sold_release.segment
           WHERE contribution_segment.state <> 'live'""",
    ),
    Invariant(
        "a live segment of the index has every contribution of its releases",
        """SELECT contribution_segment.id AS segment, contributors, pairs
           FROM contribution_segment
           CROSS JOIN LATERAL (
               SELECT coalesce(sum(release.contributors), 0) AS contributors
               FROM sold_release JOIN release ON release.id = sold_release.release
               WHERE sold_release.segment = contribution_segment.id
           ) AS sold
           CROSS JOIN LATERAL (
               SELECT coalesce(sum(pairs), 0) AS pairs FROM contribution_part WHERE segment = contribution_segment.id
           ) AS written
           WHERE state = 'live' AND contributors <> pairs""",
    ),
    Invariant(
        "no two live segments of the index are of one level",
        "SELECT level FROM contribution_segment WHERE state = 'live' GROUP BY level HAVING count(*) > 1",
    ),
)
