"""Webhooks to a real receiver: signed, tried again for three days, ended with notice, and posted to no private address."""

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
import json
import os
import re
import ssl
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict
from marketplace.core.settings import settings
from marketplace.delivery.outgoing import notification_actions, notification_rules
from marketplace.delivery.outgoing.partner_hosts import FORBIDDEN, UNKNOWN, post
from marketplace.delivery.outgoing.rules import WAITS
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.key_actions import create_key
from tests.delivery.builders import UNSPEAKABLE, HookReceiver, customers, receiving_hooks
from tests.people.builders import Browser, page_text
from tests.sales.builders.shop import make_buyer, make_sale, seal_release
from tests.support.blocks import blocks_of
from tests.support.reads import fetch, fetch_value

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def own_network(database_url: str) -> Iterator[None]:
    """Let webhooks reach this machine."""
    del database_url
    os.environ["PARTAGE_WEBHOOK_NETWORKS"] = "127.0.0.0/8"
    settings.cache_clear()
    yield
    del os.environ["PARTAGE_WEBHOOK_NETWORKS"]
    settings.cache_clear()


def check_signature(key: str, headers: dict[str, str], body: bytes) -> None:
    """Check a post as Standard Webhooks says."""
    secret = base64.b64decode(key.removeprefix("whsec_"))
    stated = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = base64.b64encode(hmac.new(secret, stated, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    assert abs(int(headers["webhook-timestamp"]) - clock.now().timestamp()) < 300


@pytest.mark.usefixtures("own_network")
async def test_a_program_is_posted_each_fact_once_and_may_follow_the_list(stripe: Any) -> None:
    async for customer in customers():
        async with receiving_hooks() as receiver:
            assert await notification_actions.notify_programs() == 0
            form_id = str(uuid.uuid4())
            for _ in range(2):
                added = await customer.browser.submit("/en/notifications", {"url": receiver.url}, form_id=form_id)
                assert added.status_code == 303, added.text
            assert await notification_actions.notify_programs() == 1
            await make_sale(customer.browser, customer.partner, await seal_release())
            assert await notification_actions.notify_programs() >= 1
            assert await notification_actions.notify_programs() == 0
            page = (await customer.browser.get("/en/notifications")).text
            found = re.search(r'class="secret">(whsec_[^<]+)<', page)
            assert found
            stated = []
            [block] = [
                one for one in blocks_of("marketplace/site/docs/partner/webhooks.md") if one.language == "python"
            ]
            manual: dict[str, Any] = {}
            exec(block.text, manual)  # noqa: S102 (what the manual says to paste)
            for headers, body in receiver.posts:
                check_signature(found[1], headers, body)
                assert manual["is_ours"](found[1], headers, body)
                assert not manual["is_ours"](found[1], headers, body + b" ")
                stated.append(json.loads(body)["type"])
            assert "test" in stated
            assert stated.count("order.paid") == 1
            assert "Delivered" in page_text(await customer.browser.get("/en/notifications"))
            [first] = await fetch("SELECT id FROM webhook_delivery ORDER BY id LIMIT 1")
            assert (
                await customer.browser.submit(f"/en/notifications/deliveries/{first['id']}/replay", {})
            ).status_code == 303
            posts = len(receiver.posts)
            assert await notification_actions.notify_programs() == 1
            assert receiver.posts[posts][0]["webhook-id"] == receiver.posts[0][0]["webhook-id"]

            key = await create_key(customer.partner, "robot", key_id=uuid.uuid4(), session="s")
            rival = await create_key(await make_buyer("rival"), "robot", key_id=uuid.uuid4(), session="t")
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(customer.browser.app), base_url="http://testserver.example"
            ) as machine:
                bearer = {"authorization": f"Bearer {key}"}
                page_1 = (await machine.get("/api/v1/events?limit=1", headers=bearer)).json()
                rest = (await machine.get(f"/api/v1/events?after={page_1['after']}", headers=bearer)).json()
                types = [event["type"] for event in page_1["events"] + rest["events"]]
                assert sorted(types[-len(stated) :]) == sorted(stated)
                assert types.count("order.paid") == 2
                nothing = (await machine.get(f"/api/v1/events?after={rest['after']}", headers=bearer)).json()
                assert nothing == {"events": [], "after": rest["after"]}
                feed = await machine.get("/api/v1/events.atom", headers=bearer)
                entries = etree.fromstring(feed.content).findall(f"{ATOM}entry")
                assert [entry.findtext(f"{ATOM}title") for entry in entries] == types[::-1]
                await execute("UPDATE partner_event SET data = jsonb_build_object('why', $1::text)", "<]]>\ufffe\x01&")
                feed = await machine.get("/api/v1/events.atom", headers=bearer)
                last = etree.fromstring(feed.content).find(f"{ATOM}entry")
                assert last is not None
                assert json.loads(last.findtext(f"{ATOM}content") or "") == {"why": "<]]>\x01&"}
                others = {"authorization": f"Bearer {rival}"}
                assert (await machine.get("/api/v1/events", headers=others)).json()["events"] == []
                empty = etree.fromstring((await machine.get("/api/v1/events.atom", headers=others)).content)
                assert empty.find(f"{ATOM}entry") is None
            async with Browser() as other:
                await other.sign_in("rival@partner.example")
                endpoint = await fetch_value("SELECT id FROM webhook_endpoint")
                for path in (f"deliveries/{first['id']}/replay", f"{endpoint}/remove"):
                    assert (await other.submit(f"/en/notifications/{path}", {})).status_code == 404
            for _ in range(2):
                assert (await customer.browser.submit(f"/en/notifications/{endpoint}/remove", {})).status_code == 303
            await make_sale(customer.browser, customer.partner, await seal_release())
            assert await notification_actions.notify_programs() == 0
            assert "retirée" in (await customer.browser.get("/fr/notifications")).text
    assert stripe


@pytest.mark.usefixtures("own_network")
async def test_an_address_that_fails_for_three_days_ends_with_notice() -> None:
    partner = await make_buyer()
    who = Actor(name="Claire", partner=partner)
    async with receiving_hooks() as receiver:
        receiver.status = "302 Found"
        await notification_actions.add_endpoint(who, receiver.url, endpoint_id=uuid.uuid4())
        later = dt.timedelta()
        for wait in (dt.timedelta(), *WAITS):
            later += wait + dt.timedelta(seconds=1)
            with clock.shifted(later):
                assert await notification_actions.notify_programs() == 1
        assert dt.timedelta(days=3) < later < dt.timedelta(days=4)
        assert len(receiver.posts) == len(WAITS) + 1
        assert await fetch_value("SELECT disabled_because FROM webhook_endpoint") == "failing"
        assert await fetch_value("SELECT last_answer FROM webhook_delivery") == "HTTP 302"
        assert (
            await fetch_value("SELECT details ->> 'url' FROM message WHERE kind = 'webhook_disabled'") == receiver.url
        )
        receiver.status = "410 Gone"
        gone = uuid.uuid4()
        await notification_actions.add_endpoint(who, receiver.url, endpoint_id=gone)
        await notification_actions.notify_programs()
        assert await fetch_value("SELECT disabled_because FROM webhook_endpoint WHERE id = $1", gone) == "gone"
        for _ in range(notification_rules.MOST_ENDPOINTS):
            await notification_actions.add_endpoint(who, receiver.url, endpoint_id=uuid.uuid4())
        with pytest.raises(Conflict, match="At most 10"):
            await notification_actions.add_endpoint(who, receiver.url, endpoint_id=uuid.uuid4())


async def test_nothing_is_posted_where_a_name_leads_inside(stripe: Any) -> None:
    async for customer in customers():
        refused = await customer.browser.submit("/en/notifications", {"url": "http://127.0.0.1/"})
        assert (refused.status_code, "begins with https://" in refused.text) == (422, True)
        assert await post("https://localhost/", b"{}", {}) == (0, FORBIDDEN)
        assert await post("https://[::ffff:127.0.0.1]/", b"{}", {}) == (0, FORBIDDEN)
        for url in ("https://nowhere.invalid/", *UNSPEAKABLE):  # the latter written before they were refused
            assert await post(url, b"{}", {}) == (0, UNKNOWN)
    assert stripe


@pytest.mark.usefixtures("own_network")
async def test_the_host_must_prove_its_name_though_it_is_reached_by_its_address(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
    certificate = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = tmp_path / "server.pem"
    path.write_bytes(certificate + key.private_bytes(encoding, form, serialization.NoEncryption()))
    context, named = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    context.load_cert_chain(path)
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    async with await asyncio.start_server(HookReceiver().answer, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        assert await post(f"https://localhost:{port}/", b"{}", {}) == (0, "ConnectError")
    assert named == ["localhost"]
