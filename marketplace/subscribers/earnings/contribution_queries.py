"""Which sold releases a person is in, and with what weight: at most three reads, however many releases were sold."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from marketplace.core import object_store
from marketplace.core.database import fetch_rows, select
from marketplace.core.errors import Conflict, NotFound
from marketplace.core.statements import load_statements
from marketplace.datasets.releases.queries import find_weight
from marketplace.subscribers.earnings.blocks import find
from marketplace.subscribers.earnings.contribution_tables import ContributionPart
from marketplace.subscribers.earnings.segments import PartRow, part_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANIFESTS_AT_ONCE: Final = 8
SQL: Final = load_statements(__package__, "contribution_queries.sql")


class PlaceRow(Struct, frozen=True):
    """Where contributions of a person may be: a block of a segment's part, or the manifest of a release by its number."""

    segment: uuid.UUID | None
    part: int | None
    begins: int | None
    ends: int | None
    release: uuid.UUID | None
    sold: int | None


class SegmentRow(Struct, frozen=True):
    """A live segment: how many releases it has, and how many contributions."""

    id: uuid.UUID
    level: int
    releases: int
    pairs: int


class SoldRow(Struct, frozen=True):
    """A sold release by its number, and how many people are in it."""

    number: int
    release: uuid.UUID
    contributors: int


@dataclass(frozen=True, slots=True)
class Contributions:
    """The sold releases that one person is in, by number, and their weight in each."""

    numbers: NDArray[np.int64]
    """Ascending, each once."""
    weights: NDArray[np.int64]

    def weights_in(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the weight in each of these releases, 0 where the person is not in it."""
        if not len(self.numbers):
            return np.zeros(len(numbers), np.int64)
        places = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        return np.where(self.numbers[places] == numbers, self.weights[places], 0)

    def weight_in(self, number: int) -> int:
        """Return the weight in one release, 0 where the person is not in it."""
        return int(self.weights_in(np.array([number]))[0])

    @property
    def bits(self) -> bytes:
        """Return one bit per number from 0 on, lowest bit first, set where the person is in the release."""
        flags = np.zeros(int(self.numbers[-1]) + 1 if len(self.numbers) else 0, np.uint8)
        flags[self.numbers] = 1
        return np.packbits(flags, bitorder="little").tobytes()


async def find_contributions(subscriber: int) -> Contributions:
    """Return the sold releases that a person is in, with their weights.

    Reads one block of each segment (at most three), and the manifests of releases sold since the last update of the
    index.
    """
    gate = asyncio.Semaphore(MANIFESTS_AT_ONCE)

    async def look(place: PlaceRow) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if place.segment is not None:
            return await _in_block(place, subscriber)
        async with gate:
            return await _in_manifest(place, subscriber)

    places = await fetch_rows(PlaceRow, SQL["find_places"], subscriber)
    found = await asyncio.gather(*[look(place) for place in places])
    numbers = np.concatenate([np.zeros(0, np.int64), *(numbers for numbers, _ in found)])
    weights = np.concatenate([np.zeros(0, np.int64), *(weights for _, weights in found)])
    order = np.argsort(numbers, kind="stable")
    return Contributions(numbers[order], weights[order])


async def _in_block(place: PlaceRow, subscriber: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    assert place.segment is not None
    assert place.part is not None
    assert place.begins is not None
    assert place.ends is not None
    try:
        block = await object_store.get_range(part_key(place.segment, place.part), place.begins, place.ends)
    except NotFound:
        raise Conflict("The index of contributions is being rebuilt. Try again in a few minutes.") from None
    return find(block, subscriber)


async def _in_manifest(place: PlaceRow, subscriber: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    assert place.release is not None
    weight = await find_weight(place.release, subscriber)
    if not weight:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.array([place.sold], np.int64), np.array([weight], np.int64)


async def list_parts(segment: uuid.UUID) -> list[PartRow]:
    """Return the parts of a segment, by number."""
    query = select(PartRow, ContributionPart).where(ContributionPart.segment == segment)
    return await fetch_rows(PartRow, query.order_by(ContributionPart.number))
