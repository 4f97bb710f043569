"""The file of a release's cells, made for partial reading: sorted by zone, in small row groups with statistics.

A reader of one zone finds it by the statistics in the footer, and fetches only the few row groups that contain it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from marketplace.core.errors import Invalid
from marketplace.core.instants import HOUR_US, QUARTER_US, microseconds
from marketplace.core.settings import settings
from marketplace.privacy import noise
from marketplace.privacy.dictionary import ABSENT
from marketplace.privacy.geography import H3
from marketplace.privacy.specification import METHOD, TO

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from marketplace.privacy.dictionary import Column
    from marketplace.privacy.specification import Specification

GROUPS: Final = 128
"""Row groups of a large file: one zone of a hundred is in two or three of them."""
FEWEST_ROWS, MOST_ROWS = 4_096, 65_536
"""For a row group: a smaller one costs more in the footer than it saves; with a larger one, reading a zone costs too
much."""


MOST_KEYS: Final = 1 << 25
"""The most zones times steps times segments by which cells are counted."""


class Keys(NamedTuple):
    """The key set of a file's cells: zones, ascending, steps of time and segments of people.

    begins_at: the start of its period. steps: the hours from then at which each step begins, and at which the last one
    ends. between_zones: whether cells are of pairs of zones.
    """

    zones: Sequence[str]
    begins_at: dt.datetime
    steps: Sequence[int]
    segments: Sequence[str]
    between_zones: bool = False


def rows_a_group(rows: int) -> int:
    """Return how many rows a row group of a file of `rows` rows has."""
    return max(FEWEST_ROWS, min(MOST_ROWS, -(-rows // GROUPS)))


def read_file(data: bytes, columns: list[str] | None = None, dictionary: Sequence[str] = ()) -> pa.Table:
    """Return the table in a Parquet file's bytes, or some columns; dictionary: text columns, each word once."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    return pq.read_table(pa.BufferReader(data), columns=columns, read_dictionary=list(dictionary))


def spread(s: Specification, cells: pa.Table) -> dict[str, list[int]]:
    """Return the length of each local day of a release's period, and the numbers of its cells by day and by zone.

    A step that is longer than a day counts as one. hours_by_day, published_by_day: days; published_by_zone: zones ×
    days, by the origin zone for flows. Sums over a parent zone belong to no zone. Refuses cells that begin at no step
    of the period.
    """
    begins_us = s.clock.bounds_us[:-1]
    day = s.clock.day[(begins_us - begins_us[0]) // QUARTER_US]
    first = np.flatnonzero(np.append(True, day[1:] != day[:-1]))
    number = np.searchsorted(first, np.arange(s.times), side="right") - 1
    starts_us = cells["starts_at"].to_numpy().astype("datetime64[us]").astype(np.int64)
    step = np.searchsorted(begins_us, starts_us, side="right") - 1
    if not np.array_equal(begins_us[step], starts_us):  # before the first, step -1 is the last
        raise Invalid("A cell begins at no hour, day or week of the period.")
    at = number[step]
    names = cells["zone"].combine_chunks().dictionary_encode()
    position = {zone: number for number, zone in enumerate(s.zones)}
    known = [position.get(str(name).split(TO)[0], -1) for name in names.dictionary.to_pylist()]
    zone = np.array(known, np.int64)[names.indices.to_numpy()]
    by_zone = np.bincount((zone * len(first) + at)[zone >= 0], minlength=len(s.zones) * len(first))
    return {
        "hours_by_day": (np.diff(s.clock.bounds_us[np.append(first, s.times)]) // HOUR_US).tolist(),
        "published_by_day": np.bincount(at, minlength=len(first)).tolist(),
        "published_by_zone": by_zone.tolist(),
    }


def count_keys(data: bytes, keys: Keys) -> tuple[Sequence[NDArray[np.int32]] | None, NDArray[np.integer[Any]] | None]:
    """Return how many cells of a Parquet file's bytes have which keys; cells with an unknown key are left out.

    For pairs of zones: the numbers of n origins, n destinations and n counts, each pair once; None if cells are of
    zones. For zones × steps × segments: counts by the origin zone for flows; None if there are too many.
    """
    table = read_file(data, ["zone", "starts_at", "segment"], dictionary=["zone", "segment"])
    table = table.unify_dictionaries().combine_chunks()
    place, places = _words_of(table["zone"])
    number = {zone: at for at, zone in enumerate(keys.zones)}
    ends = [tuple(number.get(end, -1) for end in name.split(TO)) for name in places]
    is_known = np.array([len(each) == 1 + keys.between_zones and min(each) >= 0 for each in ends], bool)
    pairs = None
    if keys.between_zones:
        known = np.array([each for each in ends if len(each) == 2 and min(each) >= 0], np.int32).reshape(-1, 2)  # noqa: PLR2004
        cells = np.bincount(place, minlength=len(places)).astype(np.int32)
        pairs = known[:, 0], known[:, 1], cells[is_known]
    shape = len(keys.zones), len(keys.steps) - 1, len(keys.segments)
    if np.prod(shape) > MOST_KEYS:
        return pairs, None
    starts_us = table["starts_at"].to_numpy().astype("datetime64[us]").astype(np.int64)
    step = np.searchsorted(keys.steps, (starts_us - microseconds(keys.begins_at)) // HOUR_US, side="right") - 1
    segment, segments = _words_of(table["segment"])
    own = np.array([keys.segments.index(name) if name in keys.segments else -1 for name in segments], int)[segment]
    some = is_known[place] & (step >= 0) & (step < shape[1]) & (own >= 0)
    published = np.zeros(shape, np.uint16)
    np.add.at(published, (np.array([each[0] for each in ends], int)[place[some]], step[some], own[some]), 1)
    return pairs, published if published.max(initial=0) > np.iinfo(np.uint8).max else published.astype(np.uint8)


def _words_of(column: pa.ChunkedArray[Any]) -> tuple[NDArray[np.integer[Any]], list[str]]:
    """Return the number of each row's word in a dictionary column, and the words."""
    words = column.combine_chunks()
    return words.indices.to_numpy(), words.dictionary.to_pylist()  # type: ignore[attr-defined]


def within(error: int, what: str) -> str:
    """State how far published figures are from what was counted."""
    return f"95 % of counts of {what} are within {error} of what was counted"


def metadata_of(s: Specification, figures: Mapping[str, Any]) -> dict[str, str]:
    """Return a release file's metadata: enough to use the file without the site, and to compare it with others.

    figures: the columns of `release`, as drawn.
    """
    expansion = figures["expansion_micro"]
    return _of_specification(s) | {
        "partage.method_version": str(figures["method_version"]),
        "partage.expansion": f"{expansion / noise.MICRO:.6f}" if expansion else "unknown: nobody consents",
        "partage.population": str(figures["population"]),
        "partage.revision": str(s.revision),
        "partage.error_people": within(figures["error_people"], "people"),
        "partage.error_events": within(figures["error_events"], "events"),
    }


def _of_specification(s: Specification) -> dict[str, str]:
    return {
        "partage.dataset": s.dataset,
        "partage.product": s.product,
        "partage.period": f"{s.period_from.isoformat()}/{s.period_to.isoformat()}",
        "partage.grain": s.grain,
        "partage.time_zone": s.time_zone,
        "partage.method": f"{METHOD}: discrete {s.mechanism}, one subscriber in one {s.unit}",
        "partage.epsilon": f"{s.epsilon_micro / noise.MICRO:g}",
        "partage.delta": f"{s.delta:g}",
        "partage.bounds": (
            f"{s.max_cells} cells a subscriber in one {s.unit}, {s.max_events} events a cell; "
            f"one {s.unit}'s events change {s.reach} cells at most"
        ),
        "partage.threshold": str(s.threshold),
        "partage.specification": s.digest,
        "partage.absent_row": ABSENT.en,
        "partage.dictionary": f"{settings().url}/datasets/{s.dataset}",
    } | _of_zones(s)


def _of_zones(s: Specification) -> dict[str, str]:
    """Return a file's metadata on zones: which they are and, for the operator's own, where their outlines are."""
    if s.geography is H3:
        return {"partage.zones": f"H3, resolution {s.resolution}"}
    return {
        "partage.zones": f"{s.geography.code}, level {s.resolution}",
        "partage.zones.sha256": s.geography.digest,
        "partage.zones.geojson": f"{settings().url}/api/v1/datasets/{s.dataset}/zones.geojson",
    }


def write_cells(
    table: pa.Table,
    path: Path,
    *,
    columns: Sequence[Column],
    about: dict[str, str],
    nullable: Sequence[str] = (),
) -> Path:
    """Write cells sorted by zone, keeping the order of a zone's rows, and return the path.

    columns: the meaning of each, stored with it. about: key and value of the file's own metadata. nullable: columns
    that may have no value.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    table = table.take(pc.array_sort_indices(table["zone"].combine_chunks()))
    meanings: dict[str, dict[bytes | str, bytes | str]] = {
        column.name: {"description": column.meaning.en, "unit": column.unit.en} for column in columns
    }
    fields = [field.with_nullable(field.name in nullable).with_metadata(meanings[field.name]) for field in table.schema]
    metadata: dict[bytes | str, bytes | str] = {**about}  # type: ignore[dict-item]
    pq.write_table(
        table.cast(pa.schema(fields, metadata)),
        path,
        compression="zstd",
        row_group_size=rows_a_group(len(table)),
        write_page_index=True,
        use_dictionary=[field.name for field in fields if not _is_number(field)],  # type: ignore[arg-type]
        column_encoding={field.name: "DELTA_BINARY_PACKED" for field in fields if _is_number(field)},
    )
    return path


def _is_number(field: pa.Field[Any]) -> bool:
    """Return whether a column is written by differences: a dictionary per small row group would cost a third more."""
    import pyarrow as pa  # noqa: PLC0415

    return pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type)
