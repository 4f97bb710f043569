"""A backup of a database and a store of objects, against copying the same bytes with nothing else done to them.

`python3 tests bench backup` prints `backup whole RATIO …`: the time of a bare copy (the dump by `pg_dump`, and every object's
file copied and flushed to the disk) over that of the backup, which also lists, hashes, signs and encrypts; and `backup rate
MB/s …`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

OBJECTS, OBJECT_BYTES, ROUNDS = 48, 16 << 20, 3


def main(*, peers: bool = False) -> None:
    """Run it; `peers` changes nothing, for the peer is the bare copy."""
    del peers
    from marketplace.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 (the environment is set below)
    from marketplace.settings import settings  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="partage-backup-") as folder:
        Path(folder).chmod(0o755)
        os.environ["PARTAGE_STATE"] = str(Path(folder) / "state")
        with EmbeddedPostgres(Path(folder)) as server:
            os.environ["DATABASE_URL"] = server.url()
            settings.cache_clear()
            asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> None:
    from marketplace import database, object_store  # noqa: PLC0415
    from marketplace.backup.actions import _dump, back_up, new_key  # noqa: PLC0415
    from marketplace.settings import settings  # noqa: PLC0415
    from migrations.runner import migrate  # noqa: PLC0415

    await database.open_pool(settings().database_url)
    await migrate()
    random = np.random.default_rng(7)
    for number in range(OBJECTS):
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
    await database.close_pool()
    rate = size / min(whole) / 1e6
    print(f"backup whole {min(bare) / min(whole):.3f} a bare copy's time over a backup's, {size / 1e6:.0f} MB")
    print(
        f"backup rate {rate:.0f} MB/s listed, hashed, encrypted and flushed, {size / min(bare) / 1e6:.0f} copied bare"
    )
    sys.stdout.flush()


def _copy(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            to = target / path.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as read, to.open("wb") as written:
                shutil.copyfileobj(read, written, 1 << 20)
                written.flush()
                os.fsync(written.fileno())
