"""The figures of a whole release, for its buyers and for questions of vetted partners about their own zones."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.datasets.releases.queries import cells
from marketplace.privacy.specification import TO

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence

MOST_KNOWN: Final = 200
"""Releases whose figures a process keeps: half a megabyte each at most."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures by zone, or by pair of zones, and by time, without sums over a larger zone."""

    averages: dict[str, float]
    """People on average over the published times; a place whose cells are all withheld is absent."""
    series: list[tuple[dt.datetime, int]]
    """People in published cells, by time."""
    counts: dict[str, int]
    """How many cells are published; a place without one is absent."""


async def figures_of(release: uuid.UUID, zones: Sequence[str]) -> Figures:
    """Return the figures of a sealed release, whose key set has these zones; computed once a process."""
    known = _known().get(release)
    if known is None:
        known = await asyncio.to_thread(read_figures, await cells(release), zones)
        _known()[release] = known
        if len(_known()) > MOST_KNOWN:
            _known().pop(next(iter(_known())))
    return known


@functools.cache
def _known() -> dict[uuid.UUID, Figures]:
    return {}


def read_figures(table: Any, zones: Sequence[str]) -> Figures:  # noqa: ANN401 (pyarrow's table)
    """Return the figures of cells as sold, or of simulated ones. zones: the key set's."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    origins = pc.list_element(pc.split_pattern(table["zone"], TO), 0)
    table = table.filter(pc.is_in(origins, pa.array(zones, pa.string())))
    sums = table.group_by(["zone", "starts_at"]).aggregate([("people", "sum")])
    zone, time = (sums[name].combine_chunks().dictionary_encode() for name in ("zone", "starts_at"))
    people, at = sums["people_sum"].to_numpy().astype(float), zone.indices.to_numpy()
    places = zone.dictionary.to_pylist()
    averages = np.bincount(at, people, len(places)) / np.maximum(np.bincount(at, minlength=len(places)), 1)
    instants = time.dictionary.to_pylist()
    by_time = np.bincount(time.indices.to_numpy(), people, len(instants)).astype(np.int64)
    return Figures(
        dict(zip(places, averages.tolist(), strict=True)),
        sorted(zip(instants, by_time.tolist(), strict=True)),
        {row["values"].as_py(): row["counts"].as_py() for row in pc.value_counts(table["zone"])},
    )
