"""The file of a release's cells, made for partial reading: sorted by zone, in small row groups with statistics.

A reader of one zone finds it by the statistics in the footer, and fetches only the few row groups that contain it.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from marketplace.core.errors import Invalid
from marketplace.core.instants import HOUR_US, QUARTER_US
from marketplace.core.settings import settings
from marketplace.privacy import noise
from marketplace.privacy.dictionary import ABSENT
from marketplace.privacy.geography import H3
from marketplace.privacy.specification import METHOD, TO

if TYPE_CHECKING:
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


def rows_a_group(rows: int) -> int:
    """Return how many rows a row group of a file of `rows` rows has."""
    return max(FEWEST_ROWS, min(MOST_ROWS, -(-rows // GROUPS)))


def read_file(data: bytes, columns: list[str] | None = None, dictionary: Sequence[str] = ()) -> pa.Table:
    """Return the table in a Parquet file's bytes, or some columns; dictionary: text columns, each word once."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    return pq.read_table(pa.BufferReader(data), columns=columns, read_dictionary=list(dictionary))


def spread(s: Specification, cells: pa.Table) -> dict[str, Any]:
    """Return the length of each local day of a release's period, and the numbers of its cells by day, zone and figure.

    A step that is longer than a day counts as one. hours_by_day, published_by_day: days; published_by_zone: zones ×
    days, by the origin zone for flows; published_by_figure: `pack_counts`. Sums over a parent zone belong to no zone,
    and are no figure of one. Refuses cells that begin at no step of the period.
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
    places = names.dictionary.to_pylist()
    known = [position.get(str(name).split(TO)[0], -1) for name in places]
    zone = np.array(known, np.int64)[names.indices.to_numpy()]
    by_zone = np.bincount((zone * len(first) + at)[zone >= 0], minlength=len(s.zones) * len(first))
    return {
        "hours_by_day": (np.diff(s.clock.bounds_us[np.append(first, s.times)]) // HOUR_US).tolist(),
        "published_by_day": np.bincount(at, minlength=len(first)).tolist(),
        "published_by_zone": by_zone.tolist(),
        "published_by_figure": pack_counts(_by_figure(s, cells, names, at, len(first))),
    }


def _by_figure(
    s: Specification, cells: pa.Table, places: pa.DictionaryArray[Any, Any], day: NDArray[np.int64], days: int
) -> dict[str, dict[str, list[int]]]:
    """Return the number of cells of each place and segment on each day; a place is a zone, or a pair of zones."""
    zones, names = set(s.zones), [str(name) for name in places.dictionary.to_pylist()]
    segments = cells["segment"].combine_chunks().dictionary_encode()
    words = [str(word) for word in segments.dictionary.to_pylist()]
    figure = places.indices.to_numpy().astype(np.int64) * len(words) + segments.indices.to_numpy()
    shape = (len(names), len(words), days)
    counts = np.bincount(figure * days + day, minlength=math.prod(shape)).reshape(shape)
    return {
        name: {word: row.tolist() for word, row in zip(words, rows, strict=True) if row.any()}
        for name, rows in zip(names, counts, strict=True)
        if zones.issuperset(name.split(TO))
    }


def pack_counts(counts: Mapping[str, Mapping[str, Sequence[int]]]) -> bytes:
    """Return the cells of each place and segment on each day, compressed: a country's month has millions of numbers."""
    return zlib.compress(msgspec.json.encode(counts))


def unpack_counts(packed: bytes) -> dict[str, dict[str, list[int]]]:
    """Return the same again."""
    return msgspec.json.decode(zlib.decompress(packed), type=dict[str, dict[str, list[int]]])


def within(error: int, what: str) -> str:
    """State how far published figures are from what was counted."""
    return f"95 % of counts of {what} are within {error} of what was counted"


def metadata_of(s: Specification, figures: Mapping[str, Any], sectors: Sequence[str] = ()) -> dict[str, str]:
    """Return a release file's metadata: enough to use the file without the site, and to compare it with others.

    figures: the columns of `release`, as drawn. sectors: of those who may have it; none: anybody's.
    """
    expansion = figures["expansion_micro"]
    bound = {"partage.sectors": ", ".join(sectors)} if sectors else {}
    return (
        _of_specification(s)
        | bound
        | {
            "partage.method_version": str(figures["method_version"]),
            "partage.expansion": f"{expansion / noise.MICRO:.6f}" if expansion else "unknown: nobody consents",
            "partage.population": str(figures["population"]),
            "partage.revision": str(s.revision),
            "partage.error_people": within(figures["error_people"], "people"),
            "partage.error_events": within(figures["error_events"], "events"),
        }
    )


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
