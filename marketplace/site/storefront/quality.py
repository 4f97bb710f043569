"""Check the promises about a release's sealed file: the badge of its page, with the day."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from marketplace.core import clock, object_store
from marketplace.core.database import fetch_scalar
from marketplace.core.errors import Refusal
from marketplace.core.words import Words

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from marketplace.catalogue.offers.queries import ListedRelease

AGAIN_AFTER: Final = dt.timedelta(minutes=10)
MOST_KNOWN: Final = 200
SEALED = Words("The file is the one that was sealed (SHA-256)")
COMPLETE = Words("It has as many rows as were sealed")
THRESHOLD = Words("No figure is below the threshold")
SEGMENTS = Words("Groups are those of the dataset")
PERIOD = Words("Times lie in the period")
ONCE = Words("A zone, time and group have one row")


@dataclass(frozen=True, slots=True)
class Quality:
    """The result of a check, and its instant."""

    checked_at: dt.datetime
    size: int
    checks: tuple[tuple[Words, bool], ...]

    @property
    def is_sound(self) -> bool:
        """Whether the file keeps all its promises."""
        return all(passed for _, passed in self.checks)


async def check(release: ListedRelease, segments: Sequence[str]) -> Quality | None:
    """Return the check of a release's file; repeated when the file's size changes, and every ten minutes.

    segments: those that the dataset declares. None if the store does not answer.
    """
    key, now = object_store.cells_key(release.id), clock.now()
    try:
        size = await object_store.size(key)
        known = _known().get(release.id)
        if known is None or known.size != size or not known.checked_at <= now < known.checked_at + AGAIN_AFTER:
            digest = await fetch_scalar(str, "SELECT cells_sha256 FROM release WHERE id = $1", release.id)
            data = await object_store.get(key)
            known = Quality(now, size, await asyncio.to_thread(_checks, data, release, str(digest), segments))
            _known()[release.id] = known
            if len(_known()) > MOST_KNOWN:
                _known().pop(next(iter(_known())))
    except (Refusal, *object_store.TROUBLES):
        return None
    return known


@functools.cache
def _known() -> dict[uuid.UUID, Quality]:
    return {}


def _checks(
    data: bytes, release: ListedRelease, digest: str, segments: Sequence[str]
) -> tuple[tuple[Words, bool], ...]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    is_sealed = hashlib.sha256(data).hexdigest() == digest
    try:
        table: Any = pq.read_table(pa.BufferReader(data))
    except pa.ArrowException:
        return (SEALED, is_sealed), (COMPLETE, False)
    key = ["zone", "starts_at", "segment"]

    def whole(mask: Any) -> bool:  # noqa: ANN401 (pyarrow's array)
        return pc.all(mask, min_count=0).as_py() is not False

    starts, kind = table["starts_at"], pa.timestamp("us", tz="UTC")
    begin, end = (pa.scalar(when, kind) for when in (release.period_from, release.period_to))
    within = pc.and_(pc.greater_equal(starts, begin), pc.less(starts, end))
    return (
        (SEALED, is_sealed),
        (COMPLETE, table.num_rows == release.row_count),
        (THRESHOLD, whole(pc.greater_equal(table["people"], pa.scalar(release.threshold)))),
        (SEGMENTS, whole(pc.is_in(table["segment"], pa.array(list(segments), pa.string())))),
        (PERIOD, whole(within)),
        (ONCE, table.group_by(key).aggregate([]).num_rows == table.num_rows),
    )
