"""What the order's page says to paste is run as it is shown, each in an environment that holds only that client."""

import asyncio
import datetime as dt
import hashlib
import html
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from marketplace.delivery.links.snippets import SNIPPETS
from tests.delivery.builders import CLIENTS, HTTPFS, customers
from tests.sales.builders.shop import some_cells
from tests.support.blocks import blocks_of
from tests.support.clients import environment, run, serving_site
from tests.support.reads import fetch_value

ROWS = 600
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
CONTRACT = "datacontract-cli[duckdb]==1.2.8"


@pytest.mark.deep
async def test_every_snippet_that_a_package_can_run_reads_what_was_bought(stripe: Any, tmp_path: Path) -> None:
    async for customer in customers(ROWS, (START, START + dt.timedelta(hours=ROWS))):
        async with serving_site() as address:
            path = f"/en/entitlements/{customer.entitlement}/links"
            made = await customer.browser.submit(path, {"label": "tests", "days": "7"})
            page = (await customer.browser.get(made.headers["location"])).text
            shown = {
                code: html.unescape(text)
                for code, text in re.findall(r'data-snippet="(\w+)">(.*?)</code>', page, re.DOTALL)
            }
            assert address in shown["pandas"]
            assert {each.code for each in SNIPPETS if each.is_run} == {*CLIENTS, "curl", "contract"}
            assert page.count("not run by our tests") == sum(not each.is_run for each in SNIPPETS)
            for code, packages in CLIENTS.items():
                python = await asyncio.to_thread(environment, *packages)
                preface = HTTPFS if code == "duckdb" else ""
                printed = await run(python, f"{preface}{shown[code]}\nprint(len(cells))", folder=tmp_path)
                assert printed.split() == ["500" if code == "croissant" else str(ROWS)], code
            await check_manual(shown, tmp_path)
            await asyncio.to_thread(subprocess.run, ["sh", "-c", shown["curl"]], cwd=tmp_path, check=True)
            [file] = sorted(tmp_path.glob("*.parquet"))  # noqa: ASYNC240 (a folder of the test)
            seal = await fetch_value("SELECT cells_sha256 FROM release")
            assert hashlib.sha256(file.read_bytes()).hexdigest() == seal
            tools = (await asyncio.to_thread(environment, CONTRACT)).parent
            words = f'PATH="{tools}:$PATH"; {shown["contract"]}'
            tested = await asyncio.to_thread(
                subprocess.run, ["sh", "-c", words], cwd=tmp_path, capture_output=True, text=True
            )
            assert tested.returncode == 0, tested.stdout
    assert stripe


async def check_manual(shown: dict[str, str], folder: Path) -> None:
    """Run each block of the manual's page as it is, with the address of the page of this order."""
    first = {
        "pandas": "import pandas",
        "polars": "import polars",
        "duckdb": "import duckdb",
        "pyarrow": "import fsspec",
    }
    first["croissant"] = "import itertools"
    zone = str(some_cells(ROWS)["zone"][ROWS // 2])
    addresses = {name: re.findall(r'"(http[^"]+)"', shown[name])[0] for name in ("pandas", "croissant")}
    known = f"LINK, CROISSANT, ZONE = {addresses['pandas']!r}, {addresses['croissant']!r}, {zone!r}\n"
    blocks = [one for one in blocks_of("marketplace/site/docs/partner/files-and-links.md") if one.language == "python"]
    assert len(blocks) == len(first)
    for block in blocks:
        [code] = [name for name, begins in first.items() if block.text.startswith(begins)]
        python = await asyncio.to_thread(environment, *CLIENTS[code])
        preface = HTTPFS if code == "duckdb" else ""
        last = re.findall(r"^ *(cells|one_zone) =", block.text, re.MULTILINE)[-1]
        printed = await run(python, f"{preface}{known}{block.text}\nprint(len({last}))", folder=folder)
        assert int(printed) > 0, code
