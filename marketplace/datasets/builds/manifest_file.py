"""The file of a release's manifest, made for fast reading: one row a person, by ascending reference.

If most lines between the first and the last person of a row group are in the release, the group has a row for each of
them, with weight 0 for the others. The references are then consecutive and need not be read, which saves half the
bytes. Readers skip rows of weight 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    People = tuple[NDArray[np.int64], NDArray[np.int64]]
    """References, ascending and distinct, and as many weights."""

PEOPLE_A_GROUP: Final = 65_536
"""The size of a row group, which is what is read to find one contribution."""
LINES_FOR_TWO: Final = 3
"""Up to so many lines for two people, a group has a row for each line: that takes fewer bytes than their references."""


def write_manifest(manifest: pa.Table, path: Path) -> Path:
    """Write a manifest, columns reference (ascending, distinct) and weight (above 0), and return its path.

    References are written by their differences and weights by a short dictionary: half a byte a person, which no
    compression halves again. The schema states that no value is missing, which makes reading a third faster.
    """
    import pyarrow as pa  # noqa: PLC0415 (only who reads or writes one pays for it)
    import pyarrow.parquet as pq  # noqa: PLC0415

    names = ("reference", "weight")
    schema = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in names])
    references, weights = (manifest[name].to_numpy() for name in names)
    with pq.ParquetWriter(
        path,
        schema,
        compression="none",
        use_dictionary=["weight"],  # type: ignore[arg-type]
        column_encoding={"reference": "DELTA_BINARY_PACKED"},
    ) as file:
        for start in range(0, max(len(references), 1), PEOPLE_A_GROUP):
            here = slice(start, start + PEOPLE_A_GROUP)
            file.write_table(pa.table(list(_rows(references[here], weights[here])), schema=schema))
    return path


def people_in(manifest: pa.Table | pa.RecordBatch) -> People:
    """Return the people in a manifest, or in a part of it."""
    references, weights = manifest.column("reference").to_numpy(), manifest.column("weight").to_numpy()
    is_in = weights > 0
    return (references, weights) if is_in.all() else (references[is_in], weights[is_in])


def _rows(references: NDArray[np.int64], weights: NDArray[np.int64]) -> People:
    """Return the rows of a group, with a row for every line between its people if most of those are in it."""
    if not len(references):
        return references, weights
    first, last = int(references[0]), int(references[-1])
    if 2 * (last - first + 1) > LINES_FOR_TWO * len(references):
        return references, weights
    lines = np.arange(first, last + 1, dtype=np.int64)
    of_lines = np.zeros(len(lines), np.int64)
    of_lines[references - first] = weights
    return lines, of_lines
