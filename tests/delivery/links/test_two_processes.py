"""Two processes of the site: what one revokes is dead in the other within a second, in the middle of a read too."""

import asyncio
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from marketplace.core.database import fetch_scalar
from tests.delivery.builders import begin_download, customers, grow, path_of_link
from tests.support.clients import serving_site
from tests.support.ports import free_port
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parents[3]
SERVE = """
import uvicorn
from marketplace.site.app import create_app
from marketplace.site.serving.server import configured
from marketplace.core.settings import settings
uvicorn.Server(configured(create_app(), port=settings().port, log_level="critical", lifespan="on")).run()
"""


@pytest.mark.deep
async def test_what_one_process_revokes_is_dead_in_the_other(stripe: Any) -> None:
    async for customer in customers(20_000):
        grow(customer)
        path, port = await path_of_link(customer), free_port()
        other = f"http://127.0.0.1:{port}"
        known = os.environ | {"PORT": str(port), "PARTAGE_URL": other}
        serving = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVE, cwd=ROOT, env=known)
        try:
            async with serving_site() as address, httpx.AsyncClient() as program:

                async def is_up(at: str = other) -> bool:
                    try:
                        return (await program.get(f"{at}/healthz")).status_code == 200
                    except httpx.HTTPError:
                        return False

                await until(is_up)
                part = {"range": "bytes=0-3"}
                for one in (address, other):
                    assert (await program.get(one + path, headers=part)).content == b"PAR1"
                async with begin_download(other, path) as (reader, _):
                    link = await fetch_scalar(uuid.UUID, "SELECT id FROM personal_link")
                    revoked = await customer.browser.submit(f"/en/links/{link}/revoke", {})
                    assert revoked.status_code == 303, revoked.text
                    at = time.monotonic()
                    assert (await program.get(other + path, headers=part)).status_code == 410

                    async def has_ended() -> bool:
                        try:
                            return not await reader.read(1 << 16)
                        except ConnectionError:
                            return True

                    await until(has_ended)
                    assert time.monotonic() - at < 5, "the check is twice a second; the rest is a busy machine"
        finally:
            serving.kill()
            await serving.wait()
    assert stripe
