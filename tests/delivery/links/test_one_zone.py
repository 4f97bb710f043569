"""One zone of a hundred by a personal link, in DuckDB and polars as they are: the bytes that the site sends are counted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from marketplace.core import object_store
from marketplace.datasets.builds.cells_file import write_cells
from tests.datasets.builders import MEANINGS
from tests.delivery.builders import CLIENTS, HTTPFS, customers, path_of_link
from tests.support.clients import environment, run, serving_site

ROWS, ZONES = 4_000_000, 100
"""Some eleven megabytes: polars begins with the last 256 KiB of every file, which is a twentieth of one of five."""
SHARE = 0.05
"""Of the file's bytes, at most."""
PROGRAMS = {
    "duckdb": HTTPFS
    + """
import duckdb, sys
rows = duckdb.sql(f"SELECT * FROM read_parquet('{sys.argv[1]}') WHERE zone = 'zone-042'").fetchall()
print(len(rows), sum(row[3] for row in rows))
""",
    "polars": """
import polars as pl, sys
rows = pl.scan_parquet(sys.argv[1]).filter(pl.col("zone") == "zone-042").collect()
print(len(rows), rows["people"].sum())
""",
}


@contextlib.asynccontextmanager
async def counting(address: str) -> AsyncIterator[tuple[str, list[int]]]:
    """Serve what another address answers, and yield where, with the sizes of what was passed on."""
    host, port = address.removeprefix("http://").split(":")
    passed: list[int] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counted: list[int] | None) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                if counted is not None:
                    counted.append(len(piece))
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onward = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pass_on(reader, onward, None), pass_on(there, writer, passed))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", passed


@pytest.mark.deep
async def test_one_zone_of_a_hundred_costs_a_twentieth_of_the_file(stripe: Any, tmp_path: Path) -> None:
    numbers, dice = np.arange(ROWS), np.random.default_rng(1)
    names = pa.array([f"zone-{zone:03}" for zone in range(ZONES)])
    people = dice.integers(20, 500, ROWS)
    table = pa.table(
        {
            "zone": names.take(pa.array(numbers % ZONES)),
            "starts_at": pa.array(numbers // ZONES * 3_600_000_000, pa.timestamp("us", tz="UTC")),
            "segment": pa.repeat("18-39", ROWS),
            "people": pa.array(people),
            "events": pa.array(people + dice.integers(0, 900, ROWS)),
        }
    )
    file = write_cells(table, tmp_path / "cells.parquet", columns=MEANINGS, about={"partage.dataset": "lyon"})
    read = f"{ROWS // ZONES} {people[42::ZONES].sum()}"
    async for customer in customers():
        await object_store.put(object_store.cells_key(customer.bought["release"]), file)
        path = await path_of_link(customer)
        async with serving_site() as address, counting(address) as (counted_at, passed):
            for client, program in PROGRAMS.items():
                python = await asyncio.to_thread(environment, *CLIENTS[client])
                passed.clear()
                printed = await run(python, program, f"{counted_at}{path}", folder=tmp_path)
                assert printed.strip() == read, client
                share = sum(passed) / file.stat().st_size
                print(f"{client}: {share:.4f} of {file.stat().st_size} bytes")
                assert 0 < share <= SHARE, client
    assert stripe
