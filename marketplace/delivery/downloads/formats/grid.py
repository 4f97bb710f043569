"""The complete grid: every possible figure, withheld ones marked; the key set is public, so this reveals nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.core.errors import Conflict
from marketplace.core.words import Words
from marketplace.datasets.builds.cells_file import write_cells
from marketplace.delivery.downloads.formats.file_format import FileFormat, FileInput
from marketplace.privacy.dictionary import NONE, WITHHELD, Column

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

LARGEST: Final = 5_000_000
"""Most figures of a grid that is made in memory."""


def _check(given: FileInput) -> None:
    if given.specification.key_count > LARGEST:
        raise Conflict("This release could have more than {count} figures: download it as Parquet.", count=LARGEST)


def _write(given: FileInput, path: Path) -> None:
    """Write every key with its figures, null if withheld, and all sums over parent zones, which are no keys."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    cells, s = given.table(), given.specification
    key, is_key = _keys(given, cells)
    published = np.full(s.key_count, -1, np.int64)
    published[key[is_key]] = np.flatnonzero(is_key)
    absent = published < 0
    rows: Any = pa.array(np.where(absent, 0, published), mask=absent)
    keys = np.arange(s.key_count)
    bands = len(s.segments)
    starts_at = np.asarray(s.clock.bounds_us)[keys // bands % s.times]
    grid = pa.table(
        {
            "zone": pa.array(s.named(keys // (bands * s.times)), pa.string()),
            "starts_at": pa.array(starts_at, pa.timestamp("us", tz="UTC")),
            "segment": pa.array(np.asarray(s.segments, dtype=object)[keys % bands], pa.string()),
            "people": cells["people"].combine_chunks().take(rows),
            "events": cells["events"].combine_chunks().take(rows),
            "withheld": pa.array(absent),
        }
    )
    sums = cells.filter(pa.array(~is_key)).select(grid.column_names[:5])
    sums = sums.append_column("withheld", pa.array(np.zeros(len(sums), bool)))
    whole = pa.concat_tables([grid, sums.replace_schema_metadata(None).cast(grid.schema)])
    columns = (*given.columns, Column("withheld", "true or false", NONE, WITHHELD.in_both()))
    write_cells(whole, path, columns=columns, about=given.about(), nullable=("people", "events"))


def _keys(given: FileInput, cells: pa.Table) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return each row's position in the key set, and whether it has one."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    s = given.specification
    places: Any = pc.index_in(cells["zone"], pa.array(s.named(np.arange(s.place_count)), pa.string()))
    place = np.asarray(places.fill_null(-1).to_numpy())
    segments: Any = pc.index_in(cells["segment"], pa.array(s.segments))
    segment = np.asarray(segments.fill_null(-1).to_numpy())
    start_us = np.asarray(cells["starts_at"].cast(pa.int64()).to_numpy())
    bounds = np.asarray(s.clock.bounds_us[: s.times])
    time = np.clip(np.searchsorted(bounds, start_us), 0, s.times - 1)
    is_key = (place >= 0) & (segment >= 0) & (bounds[time] == start_us)
    return (place * s.times + time) * len(s.segments) + segment, is_key


FORMAT: Final = FileFormat(
    code="grid",
    title="Parquet",
    about=Words(
        "Complete grid: a row for each possible figure; the column withheld marks those that are not published."
    ),
    suffix="grid.parquet",
    media_type="application/vnd.apache.parquet",
    write=_write,
    check=_check,
)
