"""Promises that are kept: what a licence's contributors were promised, as arrays stored with its manifest."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from marketplace.core.database import fetch_columns, fetch_rows, fetch_scalar, select
from marketplace.core.statements import load_statements
from marketplace.datasets.releases.tables import ContributorPromise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from marketplace.datasets.releases.queries import Manifest

LONG_AGO: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
SQL: Final = load_statements(__package__)


class PromiseUnderTerm(Struct, frozen=True):
    """What a subscriber was promised under a term, in micro-euros."""

    term: uuid.UUID
    minimum_micro: int


class PromiseRow(Struct, frozen=True):
    """A promise as its subscriber sees it: the least, in micro-euros, of each licence of a dataset priced in [start, end)."""

    id: uuid.UUID
    starts_at: dt.datetime
    ends_at: dt.datetime
    minimum_micro: int
    code: str
    title_fr: str
    title_en: str


async def promised(terms: Sequence[uuid.UUID], references: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what each of these subscribers was promised of a licence under these terms, in micro-euros; 0 for nothing.

    references: ascending and distinct. A subscriber with several promises is owed the largest.
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


async def has_promises(terms: Sequence[uuid.UUID]) -> bool:
    """Return whether there is any promise under these terms."""
    if not terms:
        return False
    return bool(await ContributorPromise.exists().where(ContributorPromise.term.is_in(list(terms))))


class PromisesOfRelease:
    """What was promised to the contributors of one release, read once for each set of terms."""

    def __init__(self) -> None:
        """Start without any promise read."""
        self.known: dict[tuple[uuid.UUID, ...], NDArray[np.int64] | None] = {}

    async def among(self, terms: Sequence[uuid.UUID], contributors: Manifest) -> NDArray[np.int64] | None:
        """Return everybody's promise under these terms, or None where nobody here has one."""
        key = tuple(terms)
        if key not in self.known:
            minimums = await promised(terms, contributors.references) if terms else None
            self.known[key] = minimums if minimums is not None and minimums.any() else None
        return self.known[key]


async def promises_to(subscriber: int, terms: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return what one subscriber was promised under each of these terms, in micro-euros."""
    wanted = list(set(terms))
    if not wanted:
        return {}
    query = select(PromiseUnderTerm, ContributorPromise).where(
        ContributorPromise.term.is_in(wanted), ContributorPromise.subscriber == subscriber
    )
    return {row.term: row.minimum_micro for row in await fetch_rows(PromiseUnderTerm, query)}


async def list_promises(subscriber: int) -> list[PromiseRow]:
    """List a subscriber's promises, the latest first: for which dataset's licences, how much, priced when."""
    return await fetch_rows(PromiseRow, SQL["list_promises"], subscriber, await held_since(subscriber))


async def held_since(line: int) -> dt.datetime:
    """Return since when the line is its present holder's if an earlier holder erased themselves, else LONG_AGO."""
    since = "SELECT greatest(erased_at, claimed_at) FROM subscriber WHERE reference = $1 AND erased_at IS NOT NULL"
    return await fetch_scalar(dt.datetime, since, line) or LONG_AGO
