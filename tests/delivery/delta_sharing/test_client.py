"""The protocol's official client, unchanged, against the running site: every kind of profile reads the same rows.

Its Spark connector needs a jar that is in no Python package, and is not run.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from marketplace.core.database import execute
from tests.delivery.builders import APRIL, MARCH, customers, pem_of, profile_of
from tests.sales.builders.shop import make_sale, seal_release, some_cells
from tests.support.blocks import blocks_of
from tests.support.clients import environment, run, serving_site

PROGRAM = (Path(__file__).parent / "client_program.py").read_text()
TABLE = "partage.releases.lyon"
CUTS = 100
ENDS = "import os; os._exit(0)"
"""Without waiting for Arrow's threads, which now and then abort a program that ends (its issue 50482)."""


@pytest.mark.deep
async def test_the_official_client_reads_every_table(stripe: Any, tmp_path: Path) -> None:
    python = await asyncio.to_thread(environment, "delta-sharing==1.4.2")
    async for customer in customers(400, MARCH):
        for period, revision in ((APRIL, 1), (MARCH, 2)):
            release = await seal_release(rows=300, period=period, revision=revision)
            await make_sale(customer.browser, customer.partner, release)
        async with serving_site() as address:
            key = rsa.generate_private_key(65537, 2048)
            encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
            pem = key.private_bytes(encoding, form, serialization.NoEncryption())
            (tmp_path / "partage-private.pem").write_bytes(pem)
            for kind in ("bearer", "basic", "key_pair"):
                profile = await profile_of(customer, kind, pem_of(key) if kind == "key_pair" else "")
                (tmp_path / f"{kind}.share").write_text(json.dumps(profile))
            found = json.loads((await run(python, PROGRAM, "bearer.share", TABLE, folder=tmp_path)).splitlines()[-1])
            people = 2 * int(np.sum(some_cells(300)["people"].to_numpy()))
            assert found.pop("absent").count("There is no version 99") == 1
            assert found == {
                "tables": [TABLE],
                "version": 2,
                "rows": [600] * 3,
                "people": [people] * 3,
                "limited": 7,
                "comment": 5,
                "changes": [400, 300, 400, 300],
                "delta_changes": [400, 300, 400, 300],
                "first": 400,
            }
            [block] = [
                one for one in blocks_of("marketplace/site/docs/partner/delta-sharing.md") if one.language == "python"
            ]
            (tmp_path / "partage.share").write_text((tmp_path / "bearer.share").read_text())
            manual = f"{block.text.replace('TABLE', 'lyon')}\nprint(len(cells), flush=True)\n{ENDS}"
            assert (await run(python, manual, folder=tmp_path)).split() == ["600"]
            for kind in ("basic", "key_pair"):
                shown = await run(python, PROGRAM, f"{kind}.share", TABLE, "--tables", folder=tmp_path)
                assert json.loads(shown.splitlines()[-1]) == {"tables": [TABLE], "version": 2}
            await _cut(python, customer, address, tmp_path)
            await execute("UPDATE sharing_credential SET ends_at = now()")
            with pytest.raises(AssertionError, match="This credential ended on"):
                await run(python, PROGRAM, "bearer.share", TABLE, "--tables", folder=tmp_path)
    assert stripe


MILLION = """
import delta_sharing
cells = delta_sharing.load_as_pandas("million.share#partage.releases.lyon")
print(len(cells), int(cells["people"].sum()))
"""


@pytest.mark.deep
async def test_a_share_of_a_million_rows_is_read_whole(stripe: Any, tmp_path: Path) -> None:
    python = await asyncio.to_thread(environment, "delta-sharing==1.4.2")
    rows = 1_000_000
    async for customer in customers(rows, MARCH):
        async with serving_site():
            (tmp_path / "million.share").write_text(json.dumps(await profile_of(customer)))
            printed = await run(python, MILLION, folder=tmp_path)
        people = int(np.sum(some_cells(rows)["people"].to_numpy()))
        assert printed.split() == [str(rows), str(people)]
    assert stripe


async def _cut(python: Path, customer: Any, address: str, folder: Path) -> None:
    """Cut the answer to a query at random bytes: the client raises each time, and never returns fewer files."""
    profile = json.loads((folder / "bearer.share").read_text())
    async with cutting(address) as proxy:
        profile["endpoint"] = profile["endpoint"].replace(address, proxy)
        (folder / "cut.share").write_text(json.dumps(profile))
        program = f"""
import sys
from delta_sharing.protocol import DeltaSharingProfile, Table
from delta_sharing.rest_client import DataSharingRestClient
client = DataSharingRestClient(DeltaSharingProfile.read_from_file("cut.share"), num_retries=0)
raised = 0
for _ in range({CUTS}):
    try:
        client.list_files_in_table(Table("lyon", "partage", "releases"))
    except Exception:
        raised += 1
print(raised)
"""
        assert int(await run(python, program, folder=folder)) == CUTS
    assert customer


@contextlib.asynccontextmanager
async def cutting(address: str) -> AsyncIterator[str]:
    """Serve what another address answers, each answer cut at a random byte of its body."""
    host, port = address.removeprefix("http://").split(":")
    dice = np.random.default_rng(3)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        body = await reader.readexactly(length)
        there, onward = await asyncio.open_connection(host, int(port))
        onward.write(head.replace(b"keep-alive", b"close") + body)
        answer = await there.read()
        onward.close()
        top, _, rest = answer.partition(b"\r\n\r\n")
        writer.write(top + b"\r\n\r\n" + rest[: int(dice.integers(0, len(rest)))])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
