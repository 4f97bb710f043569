"""Personal links over HTTP: who brings one reads the file it opens, until it ends; nobody else does, and no log has it."""

import datetime as dt
import functools
import hashlib
import html
import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from marketplace.core import clock, object_store
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Expired, NotAllowed
from marketplace.datasets.releases.publishing import revoke
from marketplace.delivery.delta_sharing.actions import Unauthenticated, check_credential
from marketplace.delivery.downloads import actions as delivery
from marketplace.delivery.downloads.rules import ByteRange
from marketplace.delivery.links import actions
from marketplace.delivery.links.rules import format_of
from marketplace.people.identity.actors import Actor
from marketplace.sales.orders.refunds import request_order_refund
from marketplace.site.app import create_app
from tests.delivery.builders import customers, downloads
from tests.people.builders import Browser
from tests.sales.builders.shop import make_buyer
from tests.support.reads import fetch_one, fetch_value
from tests.support.s3_server import serving_s3

SITE = "http://testserver.example"


@pytest.fixture(params=["folder", "s3"])
def store(request: Any, database_url: str) -> Iterator[str]:
    """Keep objects in a folder, then on a real S3 server."""
    del database_url  # its settings come first
    if request.param == "folder":
        yield "folder"
        return
    with serving_s3() as server:
        server.choose()
        yield "s3"
        object_store.open_at.cache_clear()


async def make_link(customer: Any, label: str = "dashboard", days: int = 7) -> dict[str, str]:
    """Make a link on the order's page, and return the addresses in its snippets by program."""
    path = f"/en/entitlements/{customer.entitlement}/links"
    made = await customer.browser.submit(path, {"label": label, "days": str(days)})
    assert made.status_code == 303, made.text
    page = (await customer.browser.get(made.headers["location"])).text
    assert label in page
    found = re.findall(r'data-snippet="(\w+)">(.*?)</code>', page, re.DOTALL)
    addresses = {code: re.search(r"https?://[^\"' ]+", html.unescape(text)) for code, text in found}
    return {code: _path(found[0]) for code, found in addresses.items() if found}


def _path(address: str) -> str:
    return "/" + address.split("/", 3)[3]


@pytest.mark.long
@pytest.mark.usefixtures("store")
async def test_a_link_opens_its_files_without_a_key_until_it_is_revoked(stripe: Any, capsys: Any) -> None:
    async for customer in customers():
        links = await make_link(customer)
        sealed = await object_store.get(object_store.cells_key(customer.bought["release"]))
        signature = links["polars"].split("sig=")[1]
        app = create_app(manages_pool=False, access_log=True)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SITE) as program:
            whole = await program.get(links["polars"])
            assert (whole.status_code, whole.content) == (200, sealed)
            assert whole.headers["referrer-policy"] == "no-referrer"
            assert whole.headers["cache-control"] == "private, no-store"
            assert hashlib.sha256(whole.content).hexdigest() == await fetch_value("SELECT cells_sha256 FROM release")
            tail = await program.get(links["polars"], headers={"range": "bytes=-8"})
            assert (tail.status_code, tail.content) == (206, sealed[-8:])
            head = await program.head(links["polars"])
            assert (head.status_code, head.headers["content-length"]) == (200, str(len(sealed)))
            known = await program.get(links["polars"], headers={"if-none-match": head.headers["etag"]})
            assert known.status_code == 304
            assert (await program.get(links["excel"], headers={"accept-encoding": "gzip"})).text.startswith('"zone"')
            base = links["polars"].rpartition("/")[0]
            dictionary = await program.get(f"{base}/dictionary.json?sp=r&sig={signature}")
            assert dictionary.json()["row_count"] == 500
            for altered in (
                f"{links['polars'][:-1]}{'A' if signature[-1] != 'A' else 'B'}",
                links["polars"].split("?")[0],
                f"/files/{uuid.uuid4()}/lyon.parquet?sp=r&sig={signature}",
                f"{base}/lyon.exe?sp=r&sig={signature}",
            ):
                assert (await program.get(altered)).status_code == 404
            assert await downloads()
            assert await fetch_value("SELECT last_used_at FROM personal_link")
            rival_partner = await make_buyer("rival")
            async with Browser() as rival:
                await rival.sign_in("rival@partner.example")
                link = base.split("/")[-1]
                assert (await rival.submit(f"/en/links/{link}/revoke", {})).status_code == 404
                mine = f"/en/entitlements/{customer.entitlement}/links"
                assert (await rival.submit(mine, {"label": "x", "days": "7"})).status_code == 404
            assert rival_partner
            assert (await customer.browser.submit(f"/en/links/{link}/revoke", {})).status_code == 303
            assert (await customer.browser.submit(f"/en/links/{link}/revoke", {})).status_code == 303
            dead = await program.get(links["polars"])
            assert (dead.status_code, dead.headers["content-type"]) == (410, "application/problem+json")
        logged = capsys.readouterr()
        assert "/files/{link}/{name}" in logged.out
        assert signature not in logged.out + logged.err
        verbs = await fetch_value("SELECT array_agg(verb ORDER BY at) FROM staff_action WHERE verb LIKE 'link%'")
        assert verbs == ["link_made", "link_revoked"]
    assert stripe


async def test_a_link_ends_with_licence_refund_and_its_maker(stripe: Any) -> None:
    async for customer in customers():
        links = await make_link(customer, days=365)
        ends_at = await fetch_value("SELECT ends_at FROM entitlement")
        assert await fetch_value("SELECT ends_at FROM personal_link") <= ends_at
        async with httpx.AsyncClient(transport=httpx.ASGITransport(customer.browser.app), base_url=SITE) as program:
            with clock.shifted(ends_at - clock.now() + dt.timedelta(seconds=1)):
                assert (await program.get(links["pandas"])).status_code == 410
            assert (await program.get(links["pandas"])).status_code == 200
            await execute("UPDATE person SET ended_at = now() WHERE partner = $1", customer.partner)
            assert (await program.get(links["pandas"])).status_code == 410
            await execute("UPDATE person SET ended_at = NULL WHERE partner = $1", customer.partner)
            await request_order_refund(customer.bought["id"], "Léa", refund_id=uuid.uuid4())
            assert (await program.get(links["pandas"])).status_code == 410
    assert stripe


async def test_a_read_that_has_begun_stops_when_link_or_release_ends(stripe: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(delivery, "CHECK_SECONDS", -1.0)
    async for customer in customers(300_000):
        link = (await make_link(customer))["pandas"].split("/")[2]
        file = await delivery.open_download(customer.partner, customer.entitlement, "parquet")
        check = functools.partial(actions.check_is_open, uuid.UUID(link))
        pieces = delivery.read(file, ByteRange(0, file.byte_count), check)
        assert len(await anext(pieces)) == delivery.CHUNK_BYTES
        assert await anext(pieces)
        await execute("UPDATE personal_link SET revoked_at = now()")
        with pytest.raises(Expired, match="link has ended"):
            await anext(pieces)
        form = {"kind": "bearer", "label": "notebook", "days": "30", "public_key": ""}
        assert (await customer.browser.submit("/en/sharing", form)).status_code == 200
        credential = await fetch_value("SELECT id FROM sharing_credential")
        pieces = delivery.read(file, ByteRange(0, file.byte_count), functools.partial(check_credential, credential))
        assert await anext(pieces)
        await customer.browser.submit(f"/en/sharing/{credential}/revoke", {})
        with pytest.raises(Unauthenticated, match="revoked"):
            await anext(pieces)
        check = functools.partial(delivery.check_still_valid, customer.entitlement)
        pieces = delivery.read(file, ByteRange(0, file.byte_count), check)
        await anext(pieces)
        with clock.shifted(dt.timedelta(days=400)), pytest.raises(Expired, match="licence has ended"):
            await anext(pieces)
        pieces = delivery.read(file, ByteRange(0, file.byte_count), check)
        await anext(pieces)
        await revoke(customer.bought["release"], reason_fr="Faux.", reason_en="Wrong.", by="Sam")
        with pytest.raises(Expired, match="called back"):
            await anext(pieces)
    assert stripe


async def test_what_a_link_refuses(stripe: Any, monkeypatch: Any) -> None:
    async for customer in customers():
        person = (await fetch_one("SELECT id FROM person WHERE partner = $1", customer.partner))["id"]  # type: ignore[index]
        who = Actor(name="Claire", person=person, partner=customer.partner)
        path = f"/en/entitlements/{customer.entitlement}/links"
        assert (await customer.browser.submit(path, {"label": "x", "days": "9"})).status_code == 422
        assert (await customer.browser.submit(path, {"label": " ", "days": "7"})).status_code == 422
        monkeypatch.setattr("marketplace.delivery.links.rules.MOST_LINKS", 1)
        link = uuid.uuid4()
        for _ in range(1):
            await actions.make_link(who, customer.entitlement, link_id=link, label="x", days=7)
        with pytest.raises(Conflict, match="At most 1 links"):
            await actions.make_link(who, customer.entitlement, link_id=uuid.uuid4(), label="x", days=7)
        member = Actor(name="Max", person=uuid.uuid4(), partner=customer.partner, company_role="buyer")
        with pytest.raises(NotAllowed):
            await actions.revoke_link(member, link)
    assert [format_of(name) for name in ("a.parquet", "a.geo.parquet", "a.grid.parquet", "a.csv", "a")] == [
        "parquet",
        "geoparquet",
        "grid",
        "csv",
        None,
    ]
    assert stripe
