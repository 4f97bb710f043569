"""A client that is generated from the API's document, in an environment of its own, buys a release and downloads it."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from marketplace.core.database import execute
from marketplace.people.identity.key_actions import create_key
from tests.money.builders import save
from tests.people.builders import allow
from tests.sales.builders.shop import jobs, make_buyer, open_shop
from tests.support.clients import environment, run, serving_site
from tests.support.reads import fetch_value
from tests.support.sites import the_site

GENERATOR = "openapi-python-client==0.29.1"
GENERATE = """
import subprocess, sys
from pathlib import Path
Path("how.yml").write_text("post_hooks: []\\n")
words = ["generate", "--path", "openapi.json", "--output-path", "client", "--meta", "none", "--config", "how.yml"]
done = subprocess.run([Path(sys.executable).parent / "openapi-python-client", *words], capture_output=True, text=True)
print(done.returncode, (done.stdout + done.stderr).count("WARNING"), done.stdout + done.stderr)
"""
BUY = """
import sys, uuid
from client import AuthenticatedClient
from client.api.auctions import auctions_api
from client.api.datasets import get_dataset, list_datasets
from client.api.purchases import list_payment_methods, order_quote, show_order, show_terms
from client.api.quotes import request_quote
from client.api.subscriptions import subscribe
from client.models import OrderRequest, OrderRequestPayBy, Problem, QuoteRequest
from client.models import SubscriptionRequest, SubscriptionRequestReleases
site, key = sys.argv[1:]
client = AuthenticatedClient(base_url=site, token=key)
[dataset] = list_datasets.sync(client=client, search="lyon").datasets
assert get_dataset.sync(dataset.code, client=client).releases[0].id == dataset.release
assert auctions_api.sync(client=client).auctions == []
wanted = QuoteRequest(release=dataset.release)
quote = request_quote.sync(client=client, body=wanted, idempotency_key=str(uuid.uuid4()))
terms = show_terms.sync(quote.terms, client=client)
assert terms.months == 12
stale = OrderRequest(quote=quote.id, terms="standard-0")
refused = order_quote.sync(client=client, body=stale, idempotency_key="stale")
assert isinstance(refused, Problem) and refused.status == 409, refused
[method] = list_payment_methods.sync(client=client).payment_methods
assert method.last_four == "4242"
asked = OrderRequest(quote=stale.quote, terms=terms.code, pay_by=OrderRequestPayBy.SAVED_METHOD)
order = order_quote.sync(client=client, body=asked, idempotency_key="mine-1")
assert show_order.sync(order.id, client=client).payment_url is None
page = request_quote.sync(client=client, body=wanted, idempotency_key=str(uuid.uuid4()))
asked = OrderRequest(quote=page.id, terms=terms.code, reason="For our other shop")
by_page = order_quote.sync(client=client, body=asked, idempotency_key="mine-2")
assert show_order.sync(by_page.id, client=client).payment_url == by_page.payment_url
asked = SubscriptionRequest(dataset="lyon", releases=SubscriptionRequestReleases(4))
assert subscribe.sync(client=client, body=asked, idempotency_key="mine-3").subscription.state == "active"
print(order.id)
"""
DOWNLOAD = """
import hashlib, sys, uuid
from client import AuthenticatedClient
from client.api.delivery import download, show_entitlement
from client.api.events import list_events
from client.api.purchases import file_claim, list_invoices, show_invoice, show_order
from client.models import ClaimRequest, ClaimRequestReason
site, key, order = sys.argv[1:]
client = AuthenticatedClient(base_url=site, token=key)
paid = show_order.sync(uuid.UUID(order), client=client)
entitlement = show_entitlement.sync(paid.entitlement, client=client)
file = download.sync_detailed(paid.entitlement, client=client)
assert list_events.sync(client=client).after >= 0
assert hashlib.sha256(file.content).hexdigest() == entitlement.cells_sha256
[invoice] = list_invoices.sync(client=client, order=paid.id).invoices
assert show_invoice.sync_detailed(invoice.id, client=client).content.startswith(b"%PDF-")
wrong = ClaimRequest(reason=ClaimRequestReason.WRONG_FIGURES, evidence="Zone 69001 has more people than live there.")
[claim] = file_claim.sync(paid.id, client=client, body=wrong, idempotency_key="claim-1").claims
assert claim.outcome == ""
print(paid.state, entitlement.cells_sha256)
"""


@pytest.mark.deep
async def test_a_generated_client_buys_and_downloads(stripe: Any, tmp_path: Path) -> None:
    await open_shop()
    await execute("UPDATE dataset SET cadence = 'week'")
    partner = await make_buyer()
    await save(stripe, partner, token="tok_visa")
    key_id = uuid.uuid4()
    key = await create_key(partner, "program", key_id=key_id, session="a session's secret")
    await allow(partner, key_id)
    assert key
    python = await asyncio.to_thread(environment, GENERATOR)
    async with serving_site() as address:
        async with httpx.AsyncClient() as program:
            document = await program.get(f"{address}/schema/openapi.json")
        (tmp_path / "openapi.json").write_bytes(document.content)
        printed = await run(python, GENERATE, folder=tmp_path)
        code, warnings, _ = printed.split(" ", 2)
        assert (code, warnings) == ("0", "2"), printed  # of the Atom feed and of a PDF, which it hands over as they are
        order = (await run(python, BUY, address, key, folder=tmp_path)).strip()
        await jobs()
        state, seal = (await run(python, DOWNLOAD, address, key, order, folder=tmp_path)).split()
        assert state == "paid"
        assert seal == await fetch_value("SELECT cells_sha256 FROM release")
    assert stripe


async def test_the_document_says_of_each_call_what_it_is_for() -> None:
    transport = httpx.ASGITransport(the_site())
    async with httpx.AsyncClient(transport=transport, base_url="http://site.example") as program:
        document = (await program.get("/schema/openapi.json")).json()
    operations = [operation for of in document["paths"].values() for operation in of.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert 3 <= len(operation["summary"]) <= 200, operation["operationId"]
        assert operation["tags"] != ["default"]
        for parameter in operation["parameters"]:
            if parameter["in"] == "header":
                assert "format" not in parameter["schema"], "a generated client would send an object for it"
