"""A backup of a database and a store of objects, against copying the same bytes with nothing else done to them.

`python3 tests bench backup` prints `backup whole RATIO …`: the time of a bare copy (the dump by `pg_dump`, and every object's
file copied and flushed to the disk) over that of the backup, which also lists, hashes, signs and encrypts; and `backup rate
MB/s …`.
"""

import asyncio
import os
import shutil
import time
from pathlib import Path

import numpy as np

from marketplace.core import object_store
from marketplace.core.backup.actions import _dump, back_up, new_key
from marketplace.core.settings import settings
from tests.benchmarks._bench import Run

SIZE, SMALLEST = 48, 1
"""Objects."""
OBJECT_BYTES, ROUNDS = 16 << 20, 3


def main(run: Run) -> None:
    """Run it; the peer is the bare copy."""
    with run.marketplace() as place:
        place.play(lambda: _measure(run, place.folder))


async def _measure(run: Run, folder: Path) -> None:
    random = np.random.default_rng(7)
    for number in range(run.size):
        await object_store.put(f"releases/{number}/cells.parquet", random.bytes(OBJECT_BYTES))
    objects = settings().state / "objects"
    key, bare, whole, size = new_key(folder / "key"), [], [], 0

    async def copy_bare(to: Path) -> None:
        with (folder / "dump").open("w+b") as dumped:
            await _dump(dumped)
        await asyncio.to_thread(_copy, objects, to)

    for number in range(ROUNDS):
        start = time.perf_counter()
        await copy_bare(folder / f"bare{number}")
        bare.append(time.perf_counter() - start)
        start = time.perf_counter()
        place, manifest = await back_up(str(folder / "backups"), [key])
        whole.append(time.perf_counter() - start)
        size = sum(content.bytes for content in manifest.files.values())
        await asyncio.to_thread(shutil.rmtree, folder / f"bare{number}")
        await asyncio.to_thread(os.unlink, place)
    ratio, rates = min(bare) / min(whole), [size / min(seconds) / 1e6 for seconds in (whole, bare)]
    run.figure("whole", f"{ratio:.3f}", f"a bare copy's time over a backup's, {size / 1e6:.0f} MB")
    run.figure("rate", f"{rates[0]:.0f}", f"MB/s listed, hashed, encrypted and flushed, {rates[1]:.0f} copied bare")


def _copy(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            to = target / path.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as read, to.open("wb") as written:
                shutil.copyfileobj(read, written, 1 << 20)
                written.flush()
                os.fsync(written.fileno())
