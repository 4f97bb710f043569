"""A download against a bare `sendfile` of the same file, and what one zone of a hundred costs.

`python3 tests bench delivery` prints `delivery whole RATIO …`, the rate at which a client fetches a file of two million
rows by a personal link over that at which it fetches it from a server that does nothing but `sendfile`, both over HTTP on
this machine and both checked against the seal (SHA-256) as they arrive; `delivery grown RATIO …`, the file's size over that
of the same rows in row groups of a million; and `delivery zone RATIO …`, the bytes that the site sends to a reader of one
zone (pyarrow, by ranges) over the file's.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import io
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS, ZONES = 2_000_000, 100
ROUNDS = 300
SERVER = """
import uvicorn
from marketplace.app import create_app
from marketplace.serving.server import configured
from marketplace.settings import settings
uvicorn.Server(configured(create_app(), host="127.0.0.1", port=settings().port, log_level="critical", lifespan="on")).run()
"""
BARE = """
import os, socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = listening.accept()
    if not connection.recv(65536):
        continue
    with open(sys.argv[2], "rb") as file:
        size = os.fstat(file.fileno()).st_size
        connection.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\nconnection: close\\r\\n\\r\\n" % size)
        connection.sendfile(file)
    connection.close()
"""


def main(*, peers: bool = False) -> None:
    """Run it on an empty marketplace of its own."""
    del peers
    from marketplace.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 (the environment is set below)
    from marketplace.settings import settings  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="partage-delivery-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            os.environ |= {"DATABASE_URL": server.url(), "PARTAGE_STATE": folder, "PORT": str(free_port())}
            os.environ |= {"PARTAGE_ADDRESS_LIMIT": "0", "PARTAGE_URL": ""}
            settings.cache_clear()
            path = Path(folder) / "cells.parquet"
            grown = _write(path)
            link, zone = asyncio.run(_sell(path))
            with _serving([sys.executable, "-c", SERVER], settings().port):
                port = free_port()
                with _serving([sys.executable, "-c", BARE, str(port), str(path)], port):
                    _measure(path, link, f"http://127.0.0.1:{port}/", zone)
    print(f"delivery grown {grown:.3f} × the same rows in row groups of a million")


def _write(path: Path) -> float:
    """Write the file as a build does; return its size over that of large row groups."""
    import h3  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    from marketplace.cells_file import write_cells  # noqa: PLC0415
    from marketplace.privacy.dictionary import Stated, columns  # noqa: PLC0415
    from marketplace.privacy.product_registry import PRODUCTS  # noqa: PLC0415

    dice = np.random.default_rng(5)
    zones = sorted(h3.grid_disk(h3.latlng_to_cell(45.764, 4.8357, 7), 6))[:ZONES]
    numbers = np.arange(ROWS)
    a_zone = ROWS // ZONES
    people = dice.negative_binomial(3, 0.02, ROWS) + 20
    table = pa.table(
        {
            "zone": pa.array(np.asarray(zones, dtype=object)[numbers // a_zone]),
            "starts_at": pa.array(numbers % a_zone // 5 * 3_600_000_000, pa.timestamp("us", tz="UTC")),
            "segment": pa.array(np.asarray(["0-17", "18-34", "35-49", "50-64", "65+"], dtype=object)[numbers % 5]),
            "people": pa.array(people),
            "events": pa.array(people + dice.negative_binomial(3, 0.01, ROWS)),
        }
    )
    stated = Stated("hour", ("0-17", "18-34", "35-49", "50-64", "65+"), 20, 7, "", "Europe/Paris")
    write_cells(table, path, columns=columns(PRODUCTS["presence"], stated), about={"partage.dataset": "lyon"})
    large = path.with_suffix(".large")
    pq.write_table(table, large, compression="zstd", row_group_size=1_048_576)
    return path.stat().st_size / large.stat().st_size


async def _sell(path: Path) -> tuple[str, str]:
    """Sell the file, and return a personal link to it and a zone in it."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    from marketplace import database, object_store  # noqa: PLC0415
    from marketplace.clock import now  # noqa: PLC0415
    from marketplace.identity.actors import Actor  # noqa: PLC0415
    from marketplace.links import actions, rules  # noqa: PLC0415
    from marketplace.links.queries import list_links  # noqa: PLC0415
    from marketplace.settings import settings  # noqa: PLC0415
    from migrations.runner import migrate  # noqa: PLC0415
    from tests.marketplace.earnings.sales import make_release, make_sale, open_shop  # noqa: PLC0415

    await database.open_pool(settings().database_url)
    try:
        await migrate()
        await open_shop()
        release = await make_release({1: 1})
        await object_store.put(object_store.cells_key(release), path)
        await make_sale(release)
        entitlement = await database.fetch_scalar(uuid.UUID, "SELECT id FROM entitlement")
        partner = await database.fetch_scalar(uuid.UUID, "SELECT partner FROM entitlement")
        person = uuid.uuid4()
        await database.execute(
            """INSERT INTO person (id, email, name, password_hash, language, partner, created_at)
               VALUES ($1, 'a@partner.example', 'A', 'x', 'en', $2, now())""",
            person,
            partner,
        )
        assert entitlement
        assert partner
        link = uuid.uuid4()
        who = Actor(name="A", person=person, partner=partner)
        await actions.make_link(who, entitlement, link_id=link, label="bench", days=7)
        [row] = await list_links(partner, entitlement, now())
        signed = actions.signed(link, entitlement, row.ends_at)
        zone = pq.read_table(path, columns=["zone"])["zone"][ROWS // 2].as_py()
        return rules.address(settings().url, link, "lyon.parquet", signed), str(zone)
    finally:
        await database.close_pool()


@contextlib.contextmanager
def _serving(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command)
    try:
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def _measure(path: Path, ours: str, bare: str, zone: str) -> None:
    size, seal = path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()
    best = dict.fromkeys((ours, bare), float("inf"))
    for _ in range(ROUNDS):
        for address in best:
            start = time.perf_counter()
            assert _fetch(address) == seal
            best[address] = min(best[address], time.perf_counter() - start)
    rates = {address: size / seconds / 1e6 for address, seconds in best.items()}
    print(
        f"delivery whole {rates[ours] / rates[bare]:.2f} × a bare sendfile "
        f"({rates[ours]:.0f} MB/s, {rates[bare]:.0f} MB/s; {size / 1e6:.1f} MB of {ROWS:,} rows)"
    )
    read = _read_zone(ours, zone)
    print(f"delivery zone {read / size:.4f} of the file's bytes for one zone of {ZONES} ({read / 1e3:.0f} kB)")


def _fetch(address: str) -> str:
    """Fetch a file and return its SHA-256, made as it arrives."""
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer, digest = connection.getresponse(), hashlib.sha256()
    buffer = bytearray(1 << 20)
    while count := answer.readinto(buffer):
        digest.update(memoryview(buffer)[:count])
    connection.close()
    return digest.hexdigest()


class _Ranges(io.RawIOBase):
    """A file over HTTP, each read a range; counts what came."""

    def __init__(self, address: str) -> None:
        parts = urllib.parse.urlsplit(address)
        super().__init__()
        self.path, self.position, self.came = f"{parts.path}?{parts.query}", 0, 0
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        self.connection.request("HEAD", self.path)
        answer = self.connection.getresponse()
        answer.read()
        self.length = int(answer.headers["content-length"])

    def seek(self, offset: int, whence: int = 0) -> int:
        self.position = offset + (0, self.position, self.length)[whence]
        return self.position

    def read(self, size: int = -1) -> bytes:
        end = self.length if size < 0 else min(self.position + size, self.length)
        if end <= self.position:
            return b""
        self.connection.request("GET", self.path, headers={"range": f"bytes={self.position}-{end - 1}"})
        data = self.connection.getresponse().read()
        self.came += len(data)
        self.position = end
        return data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def _read_zone(address: str, zone: str) -> int:
    """Read the rows of one zone, and return how many bytes the site sent."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    source: Any = _Ranges(address)
    with pq.ParquetFile(pa.PythonFile(source, mode="r"), pre_buffer=False) as file:
        footer = file.metadata
        groups = []
        for number in range(footer.num_row_groups):
            of: Any = footer.row_group(number).column(0).statistics
            if of.min <= zone <= of.max:
                groups.append(number)
        rows = file.read_row_groups(groups)
    found = sum(1 for one in rows["zone"].to_pylist() if one == zone)
    assert found == ROWS // ZONES
    return int(source.came)
