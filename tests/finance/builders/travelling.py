"""A platform on a port of its own, sales to companies of several countries, and the job that has documents travel."""

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator

import uvicorn
from lxml import etree

from marketplace.core.database import execute
from marketplace.core.settings import settings
from marketplace.demo.einvoicing_platform import DIRECTORY, FLOW, Platform
from marketplace.finance.einvoicing import queries
from marketplace.finance.einvoicing.actions import exchange_einvoices
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from tests.finance.builders import sales
from tests.finance.einvoicing.plain import check_same
from tests.support.reads import fetch, fetch_value
from tests.support.waiting import until

FRENCH, SIREN = "FR40303265045", "303265045"
SALE = sales.NET + sales.VAT


@contextlib.asynccontextmanager
async def platform_running() -> AsyncIterator[Platform]:
    """Run a platform, and have the marketplace use it."""
    platform = Platform()
    server = uvicorn.Server(uvicorn.Config(platform, port=0, log_level="critical", lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    base = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    os.environ |= {
        "EINVOICING_FLOW_URL": base + FLOW,
        "EINVOICING_DIRECTORY_URL": base + DIRECTORY,
        "EINVOICING_PLATFORM": "0123",
    }
    settings.cache_clear()
    try:
        yield platform
    finally:
        server.should_exit = True
        await serving


async def write_french_shop(vat_number: str = FRENCH) -> None:
    """Make the shop, whose partner is vetted and in France."""
    await sales.write_shop()
    await execute("UPDATE partner SET vat_number = $1, vetted_at = signed_up_at, vetted_by = 'x'", vat_number)


async def sell_under(
    rule: str = "domestic", country: str = "FR", vat_number: str = FRENCH, *, on_credit: bool = False
) -> uuid.UUID:
    """Sell a licence, paid or on credit, and settled; return the order. The one partner is as given from then on."""
    await execute("UPDATE partner SET country = $1, vat_number = $2", country, vat_number)
    order = await sales.write_order(on_credit=on_credit)
    await execute("UPDATE purchase_order SET vat_rule = $2 WHERE id = $1", order, rule)
    if not on_credit:
        await sales.pay_unseen(order)
        await sales.mirror_charge(order)
    await sales.write_settled(order)
    return order


async def exchange_all() -> None:
    """Let the job run, until a run sends nothing more; before and after each, what waits is what is found in all documents."""
    await check_same()
    while await exchange_einvoices():
        await check_same()
    await check_same()


async def states_of_documents() -> dict[str, str]:
    """Return how far each document on its way is."""
    rows = await fetch(
        "SELECT number, state FROM transmission JOIN invoice ON invoice.id = transmission.invoice ORDER BY 1"
    )
    return {row["number"]: row["state"] for row in rows}


async def number_of(order: uuid.UUID, kind: str = "invoice") -> str:
    """Return an order's latest document of a kind."""
    return str(
        await fetch_value(
            "SELECT number FROM invoice WHERE purchase_order = $1 AND kind = $2 ORDER BY number DESC LIMIT 1",
            order,
            kind,
        )
    )


async def transmission_of(number: str) -> uuid.UUID:
    """Return the transmission of a document."""
    found = await fetch_value(
        "SELECT transmission.id FROM transmission JOIN invoice ON invoice.id = transmission.invoice WHERE number = $1",
        number,
    )
    assert isinstance(found, uuid.UUID)
    return found


KINDS = ("einvoice", "sale_un", "part_un")


async def amounts_reported(platform: Platform) -> list[tuple[str, str, str]]:
    """Return number, amount and rate of every status 212 that reached the platform, in order."""
    spaces = {"ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"}
    messages = [
        etree.fromstring(flow.body) for flow in platform.flows if flow.direction == "Out" and flow.kind == "CDAR"
    ]
    return [
        (
            root.findtext(".//ram:IssuerAssignedID", "", spaces),
            root.findtext(".//ram:ValueAmount", "", spaces),
            root.findtext(".//ram:ValuePercent", "", spaces),
        )
        for root in messages
    ]


async def exceptions_on_the_way() -> dict[str, str]:
    """Return the exceptions of the queue that are about documents on their way: reference → why and detail."""
    rows = (await list_exceptions()).rows
    return {row.reference: f"{row.why} {row.detail}" for row in rows if row.why.startswith(KINDS)}


async def equal_months() -> list[queries.Month]:
    """Return the months' VAT, each without any difference."""
    found = await queries.list_months()
    assert not [month for month in found if month.difference_minor]
    return found
