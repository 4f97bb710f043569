"""A download against a bare `sendfile` of the same file, and what one zone of a hundred costs.

`python3 tests bench delivery` prints `delivery whole RATIO …`, the rate at which a client fetches a file of two million
rows by a personal link over that at which it fetches it from a server that does nothing but `sendfile`, both over HTTP on
this machine and both checked against the seal (SHA-256) as they arrive; `delivery grown RATIO …`, the file's size over that
of the same rows in row groups of a million; and `delivery zone RATIO …`, the bytes that the site sends to a reader of one
zone (pyarrow, by ranges) over the file's.
"""

import hashlib
import http.client
import io
import time
import urllib.parse
import uuid
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace.core import database, object_store
from marketplace.core.clock import now
from marketplace.core.settings import settings
from marketplace.datasets.builds.cells_file import write_cells
from marketplace.delivery.links import actions, rules
from marketplace.delivery.links.queries import list_links
from marketplace.people.identity.actors import Actor
from marketplace.privacy.dictionary import DatasetFacts, columns
from marketplace.privacy.product_registry import PRODUCTS
from tests.benchmarks._bench import SITE, Run, serving_program
from tests.subscribers.builders.sales import seal_weights, write_lines, write_sale

SIZE, SMALLEST = 2_000_000, 20_000
"""Rows."""
ZONES, MOST_ROUNDS = 100, 300
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


def main(run: Run) -> None:
    """Run it on an empty marketplace of its own."""
    with run.marketplace(PARTAGE_ADDRESS_LIMIT="0", PARTAGE_URL="") as place:
        path = place.folder / "cells.parquet"
        grown = _write(path, run.size)
        link, zone = place.play(lambda: _sell(path))
        with serving_program(SITE) as port, serving_program(BARE, path) as bare:
            address = urllib.parse.urlsplit(link)._replace(scheme="http", netloc=f"127.0.0.1:{port}").geturl()
            _measure(run, path, address, f"http://127.0.0.1:{bare}/", zone)
    run.figure("grown", f"{grown:.3f}", "× the same rows in row groups of a million")


def _write(path: Path, count: int) -> float:
    """Write the file as a build does; return its size over that of large row groups."""
    dice = np.random.default_rng(5)
    zones = sorted(h3.grid_disk(h3.latlng_to_cell(45.764, 4.8357, 7), 6))[:ZONES]
    numbers = np.arange(count)
    a_zone = count // ZONES
    people = dice.negative_binomial(3, 0.02, count) + 20
    table = pa.table(
        {
            "zone": pa.array(np.asarray(zones, dtype=object)[numbers // a_zone]),
            "starts_at": pa.array(numbers % a_zone // 5 * 3_600_000_000, pa.timestamp("us", tz="UTC")),
            "segment": pa.array(np.asarray(["0-17", "18-34", "35-49", "50-64", "65+"], dtype=object)[numbers % 5]),
            "people": pa.array(people),
            "events": pa.array(people + dice.negative_binomial(3, 0.01, count)),
        }
    )
    stated = DatasetFacts("hour", ("0-17", "18-34", "35-49", "50-64", "65+"), 20, 7, "", "Europe/Paris")
    write_cells(table, path, columns=columns(PRODUCTS["presence"], stated), about={"partage.dataset": "lyon"})
    large = path.with_suffix(".large")
    pq.write_table(table, large, compression="zstd", row_group_size=1_048_576)
    return path.stat().st_size / large.stat().st_size


async def _sell(path: Path) -> tuple[str, str]:
    """Sell the file, and return a personal link to it and a zone in it."""
    await write_lines()
    release = await seal_weights({1: 1})
    await object_store.put(object_store.cells_key(release), path)
    await write_sale(release)
    entitlement = await database.fetch_scalar(uuid.UUID, "SELECT id FROM entitlement")
    partner = await database.fetch_scalar(uuid.UUID, "SELECT partner FROM entitlement")
    person = uuid.uuid4()
    await database.execute(
        """INSERT INTO person (id, email, name, password_hash, language, partner, company_role, created_at)
           VALUES ($1, 'a@partner.example', 'A', 'x', 'en', $2, 'administrator', now())""",
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
    zones = pq.read_table(path, columns=["zone"])["zone"]
    zone = zones[len(zones) // 2].as_py()
    return rules.address(settings().url, link, "lyon.parquet", signed), str(zone)


def _measure(run: Run, path: Path, ours: str, bare: str, zone: str) -> None:
    size, seal = path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()
    best = dict.fromkeys((ours, bare), float("inf"))
    for _ in range(min(MOST_ROUNDS, run.size // 2_000)):
        for address in best:
            start = time.perf_counter()
            assert _fetch(address) == seal
            best[address] = min(best[address], time.perf_counter() - start)
    rates = {address: size / seconds / 1e6 for address, seconds in best.items()}
    run.figure(
        "whole",
        f"{rates[ours] / rates[bare]:.2f}",
        f"× a bare sendfile ({rates[ours]:.0f} MB/s, {rates[bare]:.0f} MB/s; {size / 1e6:.1f} MB of {run.size:,} rows)",
    )
    read = _read_zone(ours, zone, run.size // ZONES)
    run.figure("zone", f"{read / size:.4f}", f"of the file's bytes for one zone of {ZONES} ({read / 1e3:.0f} kB)")


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


def _read_zone(address: str, zone: str, rows_of_it: int) -> int:
    """Read the rows of one zone, so many, and return how many bytes the site sent."""
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
    assert found == rows_of_it
    return int(source.came)
