"""How much a Parquet file that was sent to us may unpack to: some kilobytes may say a text of megabytes in millions of rows."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from marketplace.errors import Invalid

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow.parquet as pq

BYTES_A_VALUE: Final = 256
SLACK_BYTES: Final = 1 << 20


def most_bytes(values: int) -> int:
    """Return how many bytes a column of so many values may unpack to: no text that is known is long."""
    return values * BYTES_A_VALUE + SLACK_BYTES


def swollen(metadata: pq.FileMetaData) -> str:
    """Return the first column that says it unpacks to more than its values may need, '' where there is none."""
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for column in (group.column(at) for at in range(group.num_columns)):
            if column.total_uncompressed_size > most_bytes(column.num_values):
                return str(column.path_in_schema)
    return ""


def refuse_swollen(file: Path) -> None:
    """Refuse a file with a swollen column; one that cannot be read at all is refused by who reads it."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    with contextlib.suppress(pa.ArrowException, OSError):
        if column := swollen(pq.read_metadata(file)):
            raise Invalid(
                "{file}: the column {column} has texts longer than any that are known.", file=file, column=column
            )
