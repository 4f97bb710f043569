"""Settling: one licence split over a million people and held, against a bare COPY of the same rows in the same run.

`python3 tests bench settle` prints `settle 1M RATIO …`: the whole job (manifest read, exact split, accruals with their
constraints and checked keys, split and journal) over COPY of the same four columns into a table without any.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.support.reads import fetch_value

PEOPLE = 1_000_000
ROUNDS = 3


def main(*, peers: bool = False) -> None:
    """Run it; `peers` changes nothing, for the peer is COPY itself. SETTLE_PEOPLE=10000000 measures a country."""
    del peers
    from marketplace.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 (the environment is set below)
    from marketplace.settings import settings  # noqa: PLC0415

    people = int(os.environ.get("SETTLE_PEOPLE", str(PEOPLE)))
    with tempfile.TemporaryDirectory(prefix="partage-settle-") as folder:
        Path(folder).chmod(0o755)
        os.environ["PARTAGE_STATE"] = str(Path(folder) / "state")
        settings.cache_clear()
        with EmbeddedPostgres(Path(folder)) as server:
            asyncio.run(_measure(server.url(), people))


async def _measure(url: str, people: int) -> None:
    from marketplace import database  # noqa: PLC0415
    from marketplace.earnings.actions import hold_shares  # noqa: PLC0415
    from migrations.runner import migrate  # noqa: PLC0415
    from tests.marketplace.earnings import sales  # noqa: PLC0415

    await database.open_pool(url)
    await migrate()
    await sales.open_shop(range(0))
    everyone = np.arange(1, people + 1, dtype=np.int64)
    await database.copy_columns("subscriber", {"reference": everyone})
    weights = np.random.default_rng(1).integers(1, 13, people)
    release = await sales.make_release(dict(zip(everyone.tolist(), weights.tolist(), strict=True)), rows_a_group=65_536)
    await database.execute("VACUUM ANALYZE subscriber")
    bare, settled = [], []
    for number in range(ROUNDS):
        await sales.make_sale(release, 9_000_000 + number)
        start = time.perf_counter()
        assert await hold_shares() == 1
        settled.append(time.perf_counter() - start)
        rows = await fetch_value("SELECT count(*) FROM accrual WHERE run = $1", number + 1)
        assert rows == people
        await database.execute(
            "CREATE TABLE bare (run bigint NOT NULL, subscriber bigint NOT NULL, held_micro bigint NOT NULL, "
            "payable_micro bigint NOT NULL)"
        )
        columns = {
            "run": np.full(people, number),
            "subscriber": everyone,
            "held_micro": weights,
            "payable_micro": weights,
        }
        start = time.perf_counter()
        async with database.transaction():
            await database.copy_columns("bare", columns)
        bare.append(time.perf_counter() - start)
        await database.execute("DROP TABLE bare")
    await database.close_pool()
    name = f"{people // 1_000_000}M"
    print(
        f"settle {name} {min(settled) / min(bare):.2f} × bare COPY of the same rows "
        f"({min(settled):.2f} s, {people / min(settled) / 1e6:.2f} M people/s; COPY {min(bare):.2f} s)"
    )


if __name__ == "__main__":
    sys.exit("Run it as: python3 tests bench settle")
