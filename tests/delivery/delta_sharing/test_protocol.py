"""Delta Sharing over HTTP, as its clients speak it: tables, versions, changes, signed files, and what is refused."""

import base64
import datetime as dt
import json
import uuid
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwk

from marketplace.core import clock, object_store
from marketplace.core.database import execute
from marketplace.datasets.releases.publishing import revoke
from marketplace.delivery.delta_sharing import rules
from marketplace.sales.orders.refunds import request_order_refund
from tests.delivery.builders import (
    APRIL,
    MARCH,
    TABLE,
    assertion,
    customers,
    path_of,
    pem_of,
    profile_of,
    protocol_lines,
    sharing_client,
)
from tests.people.builders import Browser
from tests.sales.builders.shop import make_buyer, make_sale, seal_release
from tests.support.reads import fetch_value

END = {"delta-sharing-capabilities": "responseFormat=delta;includeEndStreamAction=true"}


async def test_a_table_has_a_version_for_each_purchase_and_later_revision(stripe: Any) -> None:
    async for customer in customers(400, MARCH):
        for period, revision in ((APRIL, 1), (MARCH, 2)):
            await make_sale(
                customer.browser, customer.partner, await seal_release(rows=300, period=period, revision=revision)
            )
        profile = await profile_of(customer)
        async with sharing_client(customer, f"Bearer {profile['bearerToken']}") as client:
            assert (await client.get("/delta-sharing/shares")).json() == {"items": [{"name": "partage"}]}
            assert (await client.get("/delta-sharing/shares/Partage")).json()["share"] == {"name": "partage"}
            schemas = (await client.get("/delta-sharing/shares/partage/schemas")).json()["items"]
            assert schemas == [{"name": "releases", "share": "partage"}]
            for path in ("all-tables", "schemas/releases/tables"):
                tables = (await client.get(f"/delta-sharing/shares/partage/{path}?maxResults=1")).json()
                assert [table["name"] for table in tables["items"]] == ["lyon"]
                assert "nextPageToken" not in tables
            assert (await client.get("/delta-sharing/shares/partage/all-tables?maxResults=0")).json()["items"] == []
            assert (await client.get(f"{TABLE}/version")).headers["delta-table-version"] == "2"
            since = "?startingTimestamp=2020-01-01T00:00:00Z"
            assert (await client.get(f"{TABLE}/version{since}")).headers["delta-table-version"] == "0"
            protocol, metadata = protocol_lines(
                await client.get(
                    f"{TABLE.upper().replace('/DELTA-SHARING/SHARES', '/delta-sharing/shares').replace('/SCHEMAS/', '/schemas/').replace('/TABLES/', '/tables/')}/metadata"
                )
            )
            assert protocol == {"protocol": {"minReaderVersion": 1}}
            fields = json.loads(metadata["metaData"]["schemaString"])["fields"]
            assert [field["type"] for field in fields] == ["string", "timestamp", "string", "long", "long"]

            *_, first, second = protocol_lines(await client.post(f"{TABLE}/query", json={}))
            assert [line["file"]["version"] for line in (first, second)] == [2, 1]
            stats = json.loads(first["file"]["stats"])
            assert (stats["numRecords"], stats["minValues"]["starts_at"]) == (300, "2026-03-01T00:00:00.000Z")
            whole = await client.get(path_of(first["file"]["url"]), headers={"authorization": ""})
            release = await fetch_value("SELECT id FROM release WHERE revision = 2")
            assert whole.content == await object_store.get(object_store.cells_key(release))
            assert len(protocol_lines(await client.post(f"{TABLE}/query", json={"limitHint": 1}))) == 3
            asked = {"version": 0}
            assert len(protocol_lines(await client.post(f"{TABLE}/query", json=asked))) == 3

            page = protocol_lines(await client.post(f"{TABLE}/query", json={"maxFiles": 1}, headers=END))
            assert "deltaSingleAction" in page[2]["file"]
            assert page[-1]["endStreamAction"]["nextPageToken"] == "2.1"
            rest = {"pageToken": "2.1"}
            page = protocol_lines(await client.post(f"{TABLE}/query", json=rest, headers=END))
            assert len(page) == 4
            assert "nextPageToken" not in page[-1]["endStreamAction"]
            refreshed = {"refreshToken": page[-1]["endStreamAction"]["refreshToken"]}
            assert len(protocol_lines(await client.post(f"{TABLE}/query", json=refreshed, headers=END))) == 5

            changes = protocol_lines(await client.get(f"{TABLE}/changes?startingVersion=1"))[2:]
            assert [next(iter(line)) for line in changes] == ["add", "add", "remove"]
            changes = protocol_lines(await client.post(f"{TABLE}/query", json={"startingVersion": 1}, headers=END))[
                2:-1
            ]
            actions = [next(iter(line["file"]["deltaSingleAction"])) for line in changes]
            assert actions == ["add", "add", "remove"]
            by_time = await client.get(f"{TABLE}/changes{since}&endingTimestamp=2099-01-01T00:00:00Z")
            assert len(protocol_lines(by_time)) == 6
            now = {"timestamp": clock.now().isoformat()}
            assert (await client.post(f"{TABLE}/query", json=now)).headers["delta-table-version"] == "2"

            for status, answer in (
                (404, await client.get("/delta-sharing/shares/other/schemas")),
                (404, await client.get(f"{TABLE}s/version")),
                (404, await client.get(f"{TABLE.replace('releases', 'x')}/version")),
                (404, await client.post(f"{TABLE}/query", json={"version": 9})),
                (404, await client.post(f"{TABLE}/query", json={"timestamp": "2020-01-01"})),
                (400, await client.post(f"{TABLE}/query", json={"timestamp": "yesterday"})),
                (400, await client.post(f"{TABLE}/query", json={"timestamp": "2026-01-01", "version": 0})),
                (400, await client.post(f"{TABLE}/query", json={"version": "a"})),
                (400, await client.post(f"{TABLE}/query", content="{")),
                *[
                    (400, await client.post(f"{TABLE}/query", json={name: text}))
                    for name in ("pageToken", "refreshToken")
                    for text in ("2.x", "2x.0", "\u00b2.1", "2.\u00b2", "9" * 5_000, ["2"], "-1", "2.1.1")
                ],
                (400, await client.post(f"{TABLE}/query", json={"pageToken": "2.9"})),
                (400, await client.post(f"{TABLE}/query", json={"refreshToken": "x"})),
                (400, await client.get(f"{TABLE}/changes")),
                (400, await client.get(f"{TABLE}/changes?startingVersion=a")),
                (404, await client.get(f"{TABLE}/version?startingTimestamp=2099-01-01T00:00:00Z")),
            ):
                assert (answer.status_code, set(answer.json())) == (status, {"errorCode", "message"}), answer.text
    assert stripe


async def test_nothing_is_left_out_silently_when_a_licence_or_a_link_ends(stripe: Any) -> None:
    async for customer in customers(400, MARCH):
        april = await make_sale(customer.browser, customer.partner, await seal_release(rows=300, period=APRIL))
        token = (await profile_of(customer))["bearerToken"]
        async with sharing_client(customer, f"Bearer {token}") as client:
            url = path_of(protocol_lines(await client.post(f"{TABLE}/query", json={}))[2]["file"]["url"])
            for altered in (
                f"{url[:-1]}{'A' if url[-1] != 'A' else 'B'}",
                url.split("?")[0],
                url.replace("se=1", "se=2"),
            ):
                assert (await client.get(altered)).status_code == 404
            with clock.shifted(rules.SIGNED_FOR + dt.timedelta(seconds=1)):
                assert (await client.get(url)).status_code == 401
            await execute("UPDATE entitlement SET suspended_at = now() WHERE release = $1", april["release"])
            disputed = await client.post(f"{TABLE}/query", json={})
            assert (disputed.status_code, "disputed" in disputed.json()["message"]) == (409, True)
            await execute("UPDATE entitlement SET suspended_at = NULL")
            await request_order_refund(april["id"], "Léa", refund_id=uuid.uuid4())
            latest = await client.post(f"{TABLE}/query", json={})
            assert (latest.headers["delta-table-version"], len(protocol_lines(latest))) == ("2", 3)
            for asked in (
                client.post(f"{TABLE}/query", json={"version": 1}),
                client.get(f"{TABLE}/changes?startingVersion=1"),
            ):
                gone = await asked
                assert (gone.status_code, "can no longer be read" in gone.json()["message"]) == (410, True)
            await revoke(customer.bought["release"], reason_fr="Faux.", reason_en="Wrong.", by="Sam")
            assert (await client.get(url)).status_code == 410
            assert (await client.get("/delta-sharing/shares/partage/all-tables")).json()["items"] == []
            assert (await client.get(f"{TABLE}/version")).status_code == 404
            page = await customer.browser.get("/fr/sharing")
            assert "Aucun achat pour l’instant" in page.text
    assert stripe


async def test_every_kind_of_credential_opens_the_share_until_it_ends(stripe: Any) -> None:
    curve, large = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    async for customer in customers():
        basic = await profile_of(customer, "basic")
        pairs = [(await profile_of(customer, "key_pair", pem_of(key)), key) for key in (curve, large)]
        assert await fetch_value("SELECT count(*) FROM sharing_credential WHERE secret_hash IS NULL") == 2
        shown = base64.b64encode(f"{basic['username']}:{basic['password']}".encode()).decode()
        async with sharing_client(customer, f"Basic {shown}") as client:
            token_path = "/delta-sharing/oauth/token"
            assert (await client.get("/delta-sharing/shares")).status_code == 200
            tokens = [(await client.post(token_path, data={"grant_type": "client_credentials"})).json()]
            for profile, key in pairs:
                pem = key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
                private = (jwk.ECKey if key is curve else jwk.RSAKey).import_key(pem)
                answer = await client.post(token_path, data=assertion(profile, private))
                assert answer.headers["cache-control"] == "no-store"
                tokens.append(answer.json())
                now = int(clock.now().timestamp())
                for changed in ({"aud": "x"}, {"exp": now - 1}, {"exp": now + 9_000}, {"iat": now + 900}, {"iss": "x"}):
                    refused = await client.post(token_path, data=assertion(profile, private, **changed))
                    assert refused.status_code == 401
            other = assertion(pairs[1][0], jwk.RSAKey.generate_key(2048))
            assert (await client.post(token_path, data=other)).status_code == 401
            for form in ({"grant_type": "x"}, {"grant_type": other["grant_type"], "assertion": "a.b.c"}):
                assert (await client.post(token_path, data=form)).status_code in {400, 401}
            bearers = [f"Bearer {token['access_token']}" for token in tokens]
            for bearer in bearers:
                assert (await client.get("/delta-sharing/shares", headers={"authorization": bearer})).status_code == 200
                renewed = await client.post(
                    token_path, data={"grant_type": "client_credentials"}, headers={"authorization": bearer}
                )
                assert renewed.status_code == 401, "a token of an hour would renew itself for ever"
            for nobody in ("", "Bearer x", "Basic x", "Basic eA==", f"Bearer {basic['password']}", f"{bearers[0]}x"):
                answer = await client.get("/delta-sharing/shares", headers={"authorization": nobody})
                assert (answer.status_code, answer.json()["errorCode"]) == (401, "UNAUTHENTICATED")
                assert "Bearer" in answer.headers["www-authenticate"]
            with clock.shifted(dt.timedelta(hours=2)):
                assert (
                    await client.get("/delta-sharing/shares", headers={"authorization": bearers[0]})
                ).status_code == 401
            with clock.shifted(dt.timedelta(days=31)):
                ended = await client.get("/delta-sharing/shares")
                assert (ended.status_code, "ended on" in ended.json()["message"]) == (401, True)
            await make_buyer("rival")
            async with Browser() as rival:
                await rival.sign_in("rival@partner.example")
                assert (await rival.submit(f"/en/sharing/{basic['username']}/revoke", {})).status_code == 404
            for _ in range(2):
                path = f"/en/sharing/{basic['username']}/revoke"
                assert (await customer.browser.submit(path, {})).status_code == 303
            for authorization in (f"Basic {shown}", bearers[0]):
                revoked = await client.get("/delta-sharing/shares", headers={"authorization": authorization})
                assert "revoked" in revoked.json()["message"]
        private_pem = curve.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        for form in ({"kind": "x"}, {"days": "7"}, {"kind": "key_pair", "public_key": private_pem}):
            whole = {"kind": "bearer", "label": "x", "days": "30", "public_key": ""} | form
            assert (await customer.browser.submit("/en/sharing", whole)).status_code == 422
    assert stripe


@pytest.mark.parametrize("header", ["", "responseformat=delta,parquet", "ResponseFormat=Parquet"])
def test_what_a_client_understands_decides_the_format(header: str) -> None:
    assert not rules.capabilities(header).is_delta
    assert rules.capabilities(f"{header};responseformat=delta").is_delta
