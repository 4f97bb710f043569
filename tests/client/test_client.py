"""The client of `pip install partage`: as the document has it, against the running site, and in an environment of its own."""

import asyncio
import datetime as dt
import hashlib
import inspect
import os
import subprocess
import sys
import uuid
import venv
from http.client import HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any

import httpx
import pytest

from marketplace.client.__main__ import main
from marketplace.client.asking import Refused
from marketplace.client.client import BrokenFileError, Client
from marketplace.client.operations import Operations
from marketplace.core import object_store
from marketplace.core.database import execute
from marketplace.people.identity.key_actions import create_key
from tests.api_client import FOLDER, client_files, formatted, read_document
from tests.delivery.builders import Customer, customers
from tests.money.builders import save
from tests.people.builders import allow
from tests.sales.builders.shop import jobs, make_buyer, make_sale, open_shop
from tests.support.blocks import blocks_of
from tests.support.clients import environment, run, serving_site
from tests.support.reads import fetch_value
from tests.support.waiting import until
from tests.support.wheel import Installed

ROWS = 300
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
PERIOD = (START, START + dt.timedelta(hours=ROWS))


async def test_the_client_is_what_the_document_says() -> None:
    for name, text in client_files(await read_document()).items():
        assert (FOLDER / name).read_text() == formatted(text), "python -m tests.api_client writes it anew"


@pytest.mark.long
async def test_files_are_fetched_whole_or_not_at_all(
    stripe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async for customer in customers(ROWS, PERIOD):
        key = await create_key(customer.partner, "client", key_id=uuid.uuid4(), session="a session's secret")
        seal = await fetch_value("SELECT cells_sha256 FROM release")
        assert key
        async with serving_site() as address:
            client = Client(address, key)
            mine = str(customer.entitlement)
            file = await asyncio.to_thread(client.get, mine, tmp_path)
            assert hashlib.sha256(file.read_bytes()).hexdigest() == seal
            monkeypatch.setenv("PARTAGE_KEY", key)
            for command, printed in (
                (["list"], f"{mine}  lyon\n"),
                (["get", "lyon", "--format", "csv", "--to", str(tmp_path)], ".csv\n"),
                (["get", mine, "--to", str(tmp_path / "one.parquet")], "one.parquet\n"),
            ):
                assert await asyncio.to_thread(main, ["--site", address, *command]) == 0
                assert capsys.readouterr().out.endswith(printed)
            for command, sentence in (
                (["get", "atlantis"], "no open entitlement atlantis"),
                (["get", mine, "--format", "abacus"], "422"),
            ):
                assert await asyncio.to_thread(main, ["--site", address, *command]) == 1
                assert sentence in capsys.readouterr().err
            for wrong in ("http://site.example", "", "ftp://127.0.0.1"):
                assert main(["--site", wrong, "list"]) == 1
            with pytest.raises(Refused, match="401: Sign in first"):
                await asyncio.to_thread(Client(address, "pk_none").me)
            order = {"quote": str(uuid.uuid4()), "terms": "standard-1"}
            with pytest.raises(Refused) as refused:
                await asyncio.to_thread(client.order_quote, order, idempotency_key="k")
            assert refused.value.problem["title"] == "Not Found"
            with pytest.raises(Refused, match="307: HTTP 307"):  # a redirect is not followed: the key is for one site
                await asyncio.to_thread(client.ask, "GET", "/nowhere")
            assert await asyncio.to_thread(asked_everything, client) > 35
            await check_that_the_rest_comes(customer, address, tmp_path, capsys)
            await object_store.put(object_store.cells_key(customer.bought["release"]), b"PAR1 and something else PAR1")
            before = sorted(tmp_path.iterdir())  # noqa: ASYNC240 (a folder of the test)
            with pytest.raises(BrokenFileError):
                await asyncio.to_thread(client.get, mine, tmp_path / "broken.parquet")
            assert sorted(tmp_path.iterdir()) == before  # noqa: ASYNC240 (a folder of the test)
    assert stripe


async def check_that_the_rest_comes(
    customer: Customer, address: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Check that neither a licence that ended nor one that is refused keeps the others from coming."""
    for name in ("ended", "disputed"):
        sold = await make_sale(customer.browser, customer.partner, customer.bought["release"])
        of = "FROM licence WHERE licence.id = entitlement.licence AND licence.purchase_order = $1"
        if name == "ended":
            await execute(f"UPDATE entitlement SET ends_at = starts_at + interval '1 microsecond' {of}", sold["id"])
        else:
            await execute(f"UPDATE entitlement SET suspended_at = now() {of}", sold["id"])
    target = folder / "cron.parquet"
    capsys.readouterr()
    assert await asyncio.to_thread(main, ["--site", address, "get", "--to", str(target)]) == 1
    out, err = capsys.readouterr()
    assert out == f"{target}\n", "what was bought first comes last"
    assert target.exists()
    assert (err.count("\n"), "disputed" in err) == (1, True), err
    await execute("UPDATE entitlement SET suspended_at = NULL")
    where = str(folder / "nowhere" / "file")
    assert await asyncio.to_thread(main, ["--site", address, "get", "--to", where]) == 1
    assert "nowhere" in capsys.readouterr().err


async def test_what_breaks_on_its_way_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed = b'{"cells_sha256": ""}'
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n"
    answers = [
        head + b"content-length: %d\r\n\r\n" % len(sealed) + sealed,
        head + b"transfer-encoding: chunked\r\n\r\n5\r\nPA",
        b"nonsense\r\n",
    ]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop(0))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(IncompleteRead):
            await asyncio.to_thread(Client(address).get, "1", tmp_path)
        assert await asyncio.to_thread(main, ["--site", address, "list"]) == 1
    assert "nonsense" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 (a folder of the test)


def asked_everything(client: Client) -> int:
    """Make every call there is with ids of nothing; each reaches a route of the site. Return how many there are."""
    calls = [name for name, of in vars(Operations).items() if inspect.isfunction(of)]
    for name in calls:
        given = inspect.signature(getattr(client, name)).parameters.values()
        needed = {
            one.name: {} if one.name == "body" else str(uuid.uuid4()) for one in given if one.default is one.empty
        }
        found = answer_of(getattr(client, name), needed)
        if isinstance(found, HTTPResponse):
            found.close()
        if isinstance(found, Refused):
            assert found.status in {400, 403, 404, 409, 422}, f"{name}: {found}"
            assert "nothing at this address" not in found.detail, name
    return len(calls)


def answer_of(call: Any, given: dict[str, Any]) -> Any:
    """Return what a call answers, or how it is refused."""
    try:
        return call(**given)
    except Refused as refused:
        return refused


NOTEBOOK = """
import nbclient, nbformat, sys
found = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(found, timeout=200).execute()
for cell in found.cells:
    for output in cell.get("outputs", ()):
        print(output.get("text") or output["data"]["text/plain"])
"""


@pytest.mark.deep
async def test_the_notebook_buys(stripe: Any, installed: Installed, tmp_path: Path) -> None:
    await open_shop()
    partner = await make_buyer()
    await save(stripe, partner, token="tok_visa")
    key_id = uuid.uuid4()
    key = await create_key(partner, "notebook", key_id=key_id, session="a session's secret")
    await allow(partner, key_id)
    python = await asyncio.to_thread(environment, "nbclient==0.11.0", "ipykernel==7.4.0", str(installed.wheel))
    async with serving_site() as address, httpx.AsyncClient() as visitor:
        (tmp_path / "buying.ipynb").write_bytes((await visitor.get(f"{address}/en/docs/buying.ipynb")).content)
        os.environ |= {"SITE": address, "KEY": key or ""}
        work = asyncio.create_task(until(jobs))
        printed = await run(python, NOTEBOOK, str(tmp_path / "buying.ipynb"), folder=tmp_path)
        work.cancel()
    assert "409 The quote is under the terms standard-1" in printed
    assert "'paid')" in printed
    assert "b'%PDF-'" in printed
    assert stripe


@pytest.mark.deep
async def test_the_slim_package_needs_nothing_and_its_page_runs(
    stripe: Any, installed: Installed, tmp_path: Path
) -> None:
    environment = tmp_path / "slim"
    await asyncio.to_thread(venv.create, environment, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--isolated", "--python", str(environment / "bin" / "python"), "install", "-q"]
    subprocess.run([*pip, "--no-index", "--no-compile", str(installed.wheel)], check=True)  # noqa: ASYNC221
    python, shell = [
        block for block in blocks_of("marketplace/site/docs/partner/programs.md") if block.language != "text"
    ]
    async for customer in customers(ROWS, PERIOD):
        await save(stripe, customer.partner, token="tok_visa")
        key_id = uuid.uuid4()
        key = await create_key(customer.partner, "client", key_id=key_id, session="a session's secret")
        await allow(customer.partner, key_id)
        async with serving_site() as address:
            known = {"SITE": address, "KEY": key or "", "PATH": f"{environment / 'bin'}:{os.environ['PATH']}"}
            for command in (["python", "-c", python.text], ["sh", "-ec", shell.text], ["marketplace", "serve"]):
                process = await asyncio.create_subprocess_exec(
                    environment / "bin" / command[0] if command[0] != "sh" else "sh",
                    *command[1:],
                    cwd=tmp_path,
                    env=known,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
                out, err = (text.decode() for text in await process.communicate())
                if command[0] == "marketplace":
                    assert (process.returncode, "partage[server]" in err) == (1, True)
                else:
                    assert process.returncode == 0, err
                    assert "paid" in out or "P-" in out or ".csv" in out, out
        assert await fetch_value("SELECT count(*) FROM purchase_order") == 2
        assert len(list(tmp_path.glob("*.csv"))) == 1  # noqa: ASYNC240 (a folder of the test)
