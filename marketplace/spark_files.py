"""Parquet files by Spark's own buckets: rows of one id are in one of them, so that Spark need not bring them together."""

from __future__ import annotations

import contextlib
from threading import Lock
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

BUCKETS: Final = 32


def buckets_of(ids: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return in which bucket, in [0, BUCKETS), Spark looks for the rows of each id: by its hash of 64 bits, from the seed 42.

    Source: MurmurHash3, x86, 32 bits, A. Appleby 2011, as Spark's `hash` and its tables by bucket use it.
    """
    mixed = np.full(len(ids), 42, np.uint32)
    for half in (ids.astype(np.uint32), (ids >> 32).astype(np.uint32)):
        block = _turned(half * np.uint32(0xCC9E2D51), 15) * np.uint32(0x1B873593)
        mixed = _turned(mixed ^ block, 13) * np.uint32(5) + np.uint32(0xE6546B64)
    mixed ^= np.uint32(8)  # bytes
    for by, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        mixed = (mixed ^ (mixed >> np.uint32(by))) * np.uint32(factor)
    return (mixed.astype(np.int32) % BUCKETS).astype(np.uint8)


def _turned(words: NDArray[np.uint32], by: int) -> NDArray[np.uint32]:
    return (words << np.uint32(by)) | (words >> np.uint32(32 - by))


class BucketFiles:
    """A file of each bucket, into which any thread writes rows of whole numbers."""

    def __init__(self, folder: Path, columns: Sequence[str], files: contextlib.ExitStack) -> None:
        """Begin them in a folder; `files` closes them."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        schema = pa.schema([(name, pa.int64()) for name in columns])
        paths = (
            folder / f"rows_{bucket:05}.parquet" for bucket in range(BUCKETS)
        )  # Spark reads the number in the name
        self._files = [
            (Lock(), files.enter_context(pq.ParquetWriter(path, schema, compression="lz4"))) for path in paths
        ]
        self._schema = schema

    def write(self, belongs: NDArray[np.uint8], columns: Sequence[NDArray[np.int64]]) -> None:
        """Write rows into the files that they belong to."""
        import pyarrow as pa  # noqa: PLC0415

        order = np.argsort(belongs, kind="stable")
        rows = pa.table([column[order] for column in columns], schema=self._schema)
        ends = np.cumsum(np.bincount(belongs, minlength=BUCKETS)).tolist()
        for start, end, (lock, file) in zip([0, *ends[:-1]], ends, self._files, strict=True):
            with lock:
                file.write_table(rows.slice(start, end - start))


@contextlib.contextmanager
def bucket_files(folder: Path, columns: Sequence[str]) -> Iterator[BucketFiles]:
    """Make a folder, write the files in it, and close them."""
    folder.mkdir()
    with contextlib.ExitStack() as files:
        yield BucketFiles(folder, columns, files)
