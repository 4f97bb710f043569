"""Spark, if it is installed: its session, and Parquet files in its own buckets.

Rows of one id are together in one of these files, so that Spark need neither move nor sort them.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.core.errors import Conflict
from marketplace.core.working_folders import working_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

BUCKETS: Final = 32
SPARK: Final = {
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": str(BUCKETS),
    "spark.sql.ansi.enabled": "true",
    "spark.sql.autoBroadcastJoinThreshold": "64m",
    # All rows of a person are brought together once, by subscriber; hash joins and aggregates then stay there.
    "spark.sql.adaptive.maxShuffledHashJoinLocalMapThreshold": "256m",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.parquet.compression.codec": "lz4_raw",
    # Most people count in fewer cells than allowed, so leaving rows out before the rank is known costs another pass.
    "spark.sql.optimizer.windowGroupLimitThreshold": "-1",
    "spark.memory.fraction": "0.8",  # for what rows need; nothing of a build's own is there
    # No pause matters: a collector made for throughput needs a tenth less processor time than the usual one. Code
    # called some thousand times while Spark starts is not worth the optimising compiler; a row's code soon is.
    "spark.driver.extraJavaOptions": "-XX:+UseParallelGC -XX:Tier4InvocationThreshold=50000 "
    "-XX:Tier4MinInvocationThreshold=6000 -XX:Tier4CompileThreshold=150000",
}
ON_THIS_MACHINE: Final = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}


@functools.cache
def start_spark(master: str, memory_mb: int) -> Any:  # noqa: ANN401 (pyspark is an extra)
    """Start Spark once in this process; it and its spilled files end with the process.

    The memory is the driver's, which in `local[n]` does all the work; a cluster's own settings limit its workers.
    """
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415
    except ModuleNotFoundError:
        raise Conflict(
            "BUILD_ENGINE is spark, and pyspark is not installed: install partage[spark] and Java."
        ) from None
    work = contextlib.ExitStack()
    atexit.register(work.close)
    spill = str(work.enter_context(working_folder()))
    own = ON_THIS_MACHINE if master.startswith("local") else {}
    stated: dict[str, Any] = SPARK | own | {"spark.driver.memory": f"{memory_mb}m"}
    stated |= {"spark.local.dir": spill, "spark.sql.warehouse.dir": spill}
    session = SparkSession.builder.master(master).config(map=stated).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    atexit.register(session.stop)
    return session


def buckets_of(ids: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the bucket, in [0, BUCKETS), in which Spark looks for each id's rows: by 64-bit hash, seed 42.

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
    """One file for each bucket, into which any thread writes rows of whole numbers."""

    def __init__(self, folder: Path, columns: Sequence[str], files: contextlib.ExitStack) -> None:
        """Create the files in a folder; `files` closes them."""
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

    def write(self, belongs: NDArray[np.uint8], order: NDArray[np.int64], columns: Sequence[NDArray[np.int64]]) -> None:
        """Write n rows into the files that they belong to, each file's in ascending `order`."""
        import pyarrow as pa  # noqa: PLC0415

        at = np.lexsort((order, belongs))
        rows = pa.table([column[at] for column in columns], schema=self._schema)
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
