"""Sixty people who sign in at once, and somebody who looks at a page meanwhile.

`python3 tests bench sign_ins` prints `sign_ins page RATIO …`, the slowest page while sixty passwords are checked over
the slowest page of an idle site, and `sign_ins last SECONDS …`, how long the last of the sixty waited.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

BATCH_SIZE, PAGES = 60, 200


def main(*, peers: bool = False) -> None:
    """Run it on an empty marketplace of its own; `peers` changes nothing."""
    del peers
    from marketplace.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 (the environment is set below)
    from marketplace.settings import settings  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="partage-sign-ins-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            os.environ |= {"DATABASE_URL": server.url(), "PARTAGE_STATE": folder}
            settings.cache_clear()
            idle, busy, last = asyncio.run(_measure())
    print(f"sign_ins page {busy / idle:.2f} × an idle site's slowest page ({busy * 1e3:.0f} ms, {idle * 1e3:.0f} ms)")
    print(f"sign_ins last {last:.1f} seconds for {BATCH_SIZE} at once")
    sys.stdout.flush()


async def _measure() -> tuple[float, float, float]:
    """Return the slowest page of an idle site, the slowest while sixty sign in, and the longest sign-in, in seconds."""
    import httpx  # noqa: PLC0415

    from marketplace import database  # noqa: PLC0415
    from marketplace.app import create_app  # noqa: PLC0415
    from marketplace.identity import passwords  # noqa: PLC0415
    from marketplace.settings import settings  # noqa: PLC0415
    from migrations.runner import migrate  # noqa: PLC0415

    await database.open_pool(settings().database_url)
    try:
        await migrate()
        transport = httpx.ASGITransport(app=create_app(manages_pool=False))
        async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:

            async def page() -> float:
                began = time.perf_counter()
                (await client.get("/en/catalogue")).raise_for_status()
                return time.perf_counter() - began

            await passwords.matches(None, "the first makes the hash that strangers' passwords are compared with")
            for _ in range(PAGES // 10):
                await page()
            idle = max([await page() for _ in range(PAGES)])
            began, busy = time.perf_counter(), 0.0
            guesses = [asyncio.create_task(passwords.matches(None, f"guess {n}")) for n in range(BATCH_SIZE)]
            while not all(guess.done() for guess in guesses):
                busy = max(busy, await page())
            return idle, busy, time.perf_counter() - began
    finally:
        await database.close_pool()
