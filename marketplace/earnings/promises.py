"""Promises kept: what a licence's contributors were promised, as arrays beside its manifest, and what tops up their shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marketplace.database import fetch, fetch_columns
from marketplace.earnings.rules import MICRO_PER_MINOR
from pricing.promises import NOTHING, TopUp

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping, Sequence

    import asyncpg
    from numpy.typing import NDArray

    from marketplace.datasets.queries import Manifest

IN_FORCE = """
(SELECT coalesce(array_agg(contributor_term.id ORDER BY contributor_term.id), '{}') FROM contributor_term
 WHERE contributor_term.dataset = release.dataset
   AND contributor_term.starts_at <= quote.quoted_at AND quote.quoted_at < contributor_term.ends_at)
"""
"""The terms a licence must honour: those in force when its price was signed, so that the price could cover them."""


async def promised(terms: Sequence[uuid.UUID], references: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what each of these subscribers was promised of a licence under these terms, in micro-euros; 0 for nothing.

    references: ascending and distinct. Whoever holds several promises is owed the largest.
    """
    minimums = np.zeros(len(references), dtype=np.int64)
    for term in terms:
        columns = await fetch_columns("SELECT subscriber, minimum_micro FROM contributor_promise WHERE term = $1", term)
        if not columns or not len(references):
            continue
        people, amounts = columns
        places = np.minimum(np.searchsorted(references, people), len(references) - 1)
        here = references[places] == people
        np.maximum.at(minimums, places[here], amounts[here])
    return minimums


class Promised:
    """What was promised to the contributors of one release, read once for each set of terms."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.known: dict[tuple[uuid.UUID, ...], NDArray[np.int64] | None] = {}

    async def among(self, terms: Sequence[uuid.UUID], contributors: Manifest) -> NDArray[np.int64] | None:
        """Return everybody's promise under these terms, or None where nobody here holds one."""
        key = tuple(terms)
        if key not in self.known:
            minimums = await promised(terms, contributors.references) if terms else None
            self.known[key] = minimums if minimums is not None and minimums.any() else None
        return self.known[key]


def top_up_of(split: Mapping[str, Any] | asyncpg.Record) -> TopUp:
    """Return the top-up a split's row states."""
    amount = (split["top_up_operator_minor"] + split["top_up_platform_minor"]) * MICRO_PER_MINOR
    return (
        TopUp(amount, split["topped_up"], split["top_up_each_micro"], split["top_up_position"]) if amount else NOTHING
    )


async def promises_to(subscriber: int, terms: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return what one subscriber was promised under each of these terms, in micro-euros."""
    rows = await fetch(
        "SELECT term, minimum_micro FROM contributor_promise WHERE term = ANY($1) AND subscriber = $2",
        list(set(terms)), subscriber,
    )  # fmt: skip
    return {row["term"]: row["minimum_micro"] for row in rows}


async def list_promises(subscriber: int) -> list[asyncpg.Record]:
    """List what a subscriber was promised, the latest first: of which dataset's licences, how much, priced when."""
    return await fetch(
        """SELECT contributor_term.*, contributor_promise.minimum_micro, dataset.code, dataset.title_fr, dataset.title_en,
                  dataset.purpose
           FROM contributor_term
           JOIN contributor_promise ON contributor_promise.term = contributor_term.id AND subscriber = $1
           JOIN dataset ON dataset.code = contributor_term.dataset
           ORDER BY ends_at DESC, contributor_term.id LIMIT 50""",
        subscriber,
    )
