"""What describes a file to programs: Croissant loads it, a data contract holds for it and finds what is planted in a copy."""

import asyncio
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from marketplace.delivery.links import rules
from tests.delivery.builders import Customer, customers, path_of_link
from tests.support.clients import environment, run
from tests.support.reads import fetch_value
from tests.support.sites import the_site

ROWS = 600
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
"""Of the rows."""
TEST = """
import os, sys
from datacontract.data_contract import DataContract
for folder in sys.argv[1:]:
    os.chdir(folder)
    run = DataContract(data_contract_file="contract.odcs.yaml").test()
    broken = [check for check in run.checks if check.result.value in ("failed", "error")]
    print(run.result.value, "; ".join(f"{check.name}: {check.reason}" for check in broken).replace(chr(10), " "))
"""


async def described(customer: Customer, name: str) -> httpx.Response:
    """Return a description of what a customer bought."""
    path = (await path_of_link(customer)).replace("cells.parquet", name)
    transport = httpx.ASGITransport(the_site())
    async with httpx.AsyncClient(transport=transport, base_url="http://site.example") as program:
        answer = await program.get(path)
    assert answer.status_code == 200, answer.text
    return answer


async def test_descriptions_name_the_file_and_what_it_holds(stripe: Any) -> None:
    async for customer in customers(ROWS, (START, START + dt.timedelta(hours=ROWS))):
        seal = await fetch_value("SELECT cells_sha256 FROM release")
        croissant = await described(customer, rules.CROISSANT)
        assert croissant.headers["content-type"].startswith("application/ld+json")
        assert croissant.headers["referrer-policy"] == "no-referrer"
        assert len(croissant.content) < 100_000
        [file] = croissant.json()["distribution"]
        assert file["sha256"] == seal
        assert "&sig=" in file["contentUrl"]
        [cells] = croissant.json()["recordSet"]
        names = [field["source"]["extract"]["column"] for field in cells["field"]]
        assert names == ["zone", "starts_at", "segment", "people", "events"]
        contract = json.loads((await described(customer, rules.CONTRACT)).content)
        assert contract["kind"] == "DataContract"
        [table] = contract["schema"]
        assert [column["name"] for column in table["properties"]] == names
        assert table["quality"][-1]["mustBe"] == ROWS
    assert stripe


def _changed(table: pa.Table, column: str, change: Callable[[Any], Any]) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, change(table[column]))


def _first(value: Any) -> Callable[[Any], Any]:
    return lambda column: pc.if_else(pa.array(np.arange(len(column)) == 0), pa.scalar(value, column.type), column)


DEFECTS: dict[str, Callable[[pa.Table], pa.Table]] = {
    "a column is missing": lambda table: table.drop_columns(["events"]),
    "a column has another type": lambda table: _changed(table, "people", lambda of: of.cast(pa.string())),
    "a value is missing": lambda table: _changed(table, "zone", _first(None)),
    "a figure is below the threshold": lambda table: _changed(table, "people", _first(3)),
    "a segment is unknown": lambda table: _changed(table, "segment", _first("0-17")),
    "a row is there twice": lambda table: pa.concat_tables([table.slice(1), table.slice(1, 1)]),
}


@pytest.mark.deep
async def test_the_contract_holds_and_finds_what_is_planted(stripe: Any, tmp_path: Path) -> None:
    python = await asyncio.to_thread(environment, "datacontract-cli[duckdb]==1.2.8")
    async for customer in customers(ROWS, (START, START + dt.timedelta(hours=ROWS))):
        contract = await described(customer, rules.CONTRACT)
        name = json.loads(contract.content)["servers"][0]["path"].removeprefix("./")
        sealed = await customer.get()
        table = pq.read_table(pa.BufferReader(sealed.content))
        for number, plant in enumerate((lambda whole: whole, *DEFECTS.values())):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / "contract.odcs.yaml").write_bytes(contract.content)
            pq.write_table(plant(table), folder / name)
        (tmp_path / "0" / name).write_bytes(sealed.content)
        folders = [str(tmp_path / str(number)) for number in range(len(DEFECTS) + 1)]
        sealed_one, *planted = (await run(python, TEST, *folders, folder=tmp_path)).splitlines()
        assert sealed_one.strip() in {"passed", "warning"}, "the tool warns that it checks no types in Parquet"
        found = dict(zip(DEFECTS, planted, strict=True))
        assert not {defect: line for defect, line in found.items() if not line.startswith(("failed", "error"))}
    assert stripe
