"""The operator's API: its key does that and nothing else; what is sent again changes nothing; bad input is a sentence."""

import base64
import datetime as dt
import json
import uuid

import pytest

from marketplace.consent.purposes.queries import list_receipts
from marketplace.core import clock
from marketplace.core.errors import Invalid, NotFound
from marketplace.core.signing import verify
from marketplace.people.identity.actions import claim_line
from marketplace.subscribers.operators import actions, queries
from tests.consent.builders import PURPOSE
from tests.people.builders import PASSWORD
from tests.subscribers.builders.operators import API, put_as_shop, system
from tests.support.reads import fetch_value

GIVEN = {"reference": 7, "purpose": PURPOSE, "notice_version": 1, "word": "given", "channel": "shop"}


async def test_consent_and_withdrawal_are_recorded_once_with_a_signed_receipt() -> None:
    shop, receipt = await system(), uuid.uuid4()
    purposes = (await shop.get(f"{API}/purposes")).json()["purposes"]
    assert [(one["purpose"], one["notice_version"], one["text_fr"]) for one in purposes] == [(PURPOSE, 1, "On compte.")]
    first = await put_as_shop(shop, f"consents/{receipt}", GIVEN)
    assert first.status_code == 200, first.text
    assert (await put_as_shop(shop, f"consents/{receipt}", GIVEN)).json() == first.json()
    document, signature, key = (
        base64.b64decode(first.json()[name]) for name in ("canonical", "signature", "public_key")
    )
    assert verify(document, signature, key)
    assert json.loads(document)["channel"] == "shop"
    line = (await shop.get(f"{API}/lines/7")).json()
    assert (line["in_force"], line["consents"][0]["given"], line["consents"][0]["channel"]) == (True, True, "shop")

    other = await put_as_shop(shop, f"consents/{receipt}", GIVEN | {"word": "withdrawn"})
    assert (other.status_code, other.headers["content-type"]) == (409, "application/problem+json")
    at = clock.now().isoformat()
    assert (
        await put_as_shop(shop, f"consents/{uuid.uuid4()}", GIVEN | {"word": "withdrawn", "at": at})
    ).status_code == 200
    assert not (await shop.get(f"{API}/lines/7")).json()["consents"][0]["given"]
    assert [row.given for row in (await list_receipts(7)).rows] == [False, True]


async def test_bad_input_is_one_sentence_and_records_nothing() -> None:
    shop = await system()
    late = (clock.now() + dt.timedelta(days=1)).isoformat()
    for change, status in (
        ({"reference": 99}, 404),
        ({"reference": 2**63}, 400),
        ({"reference": -1}, 400),
        ({"reference": "7x"}, 400),
        ({"purpose": "nothing.real"}, 404),
        ({"purpose": "presence.statistics\0"}, 400),
        ({"purpose": "\ud83d"}, 400),
        ({"notice_version": 2}, 422),
        ({"notice_version": 2**31}, 400),
        ({"word": "maybe"}, 400),
        ({"channel": "partage"}, 400),
        ({"at": late}, 409),
        ({"at": "2026-02-01T10:00:00"}, 400),
        ({"at": "2025-12-31T00:00:00Z"}, 422),
        ({"by": "me"}, 400),
    ):
        body = json.dumps(GIVEN | change).encode()
        headers = {"content-type": "application/json"}
        answer = await shop.client.put(f"{API}/consents/{uuid.uuid4()}", content=body, headers=headers)
        assert answer.status_code in (status if isinstance(status, tuple) else (status,)), (change, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
    for reference in ("99", "-1", "7a", "9" * 19, "9" * 400, "%00", "٧", "1e3"):
        for path in (f"lines/{reference}", f"lines/{reference}/balance"):
            assert (await shop.get(f"{API}/{path}")).status_code in (400, 404), path
    assert await fetch_value("SELECT count(*) FROM consent_record") == 0


async def test_an_activation_code_is_made_once_a_request() -> None:
    shop, request = await system(), uuid.uuid4()
    first = await put_as_shop(shop, f"activation-codes/{request}", {"reference": 7})
    assert first.json()["activate_at"].endswith("/activate")
    assert (await put_as_shop(shop, f"activation-codes/{request}", {"reference": 7})).json() == first.json()
    assert (await put_as_shop(shop, f"activation-codes/{request}", {"reference": 8})).status_code == 409
    assert (await put_as_shop(shop, f"activation-codes/{uuid.uuid4()}", {"reference": 99})).status_code == 404
    second = await put_as_shop(shop, f"activation-codes/{uuid.uuid4()}", {"reference": 7})
    assert second.json()["code"] != first.json()["code"]
    assert (await put_as_shop(shop, f"activation-codes/{request}", {"reference": 7})).status_code == 409, (
        "it works no more"
    )
    await claim_line(7, second.json()["code"], email="lea@example.org", name="Léa", password=PASSWORD)
    assert (await put_as_shop(shop, f"activation-codes/{uuid.uuid4()}", {"reference": 7})).status_code == 409
    line = (await shop.get(f"{API}/lines/7")).json()
    assert line["claimed_at"]
    assert not line["has_code"]


async def test_a_balance_is_the_lines_own() -> None:
    shop = await system()
    answer = await shop.get(f"{API}/lines/7/balance")
    assert answer.json() == {
        "reference": 7,
        "currency": "EUR",
        "payable_micro": 0,
        "held_micro": 0,
        "next_until": None,
        "held_until": None,
    }


async def test_a_key_may_do_what_it_says_until_it_is_ended() -> None:
    requests = {
        "consents": lambda one: put_as_shop(one, f"consents/{uuid.uuid4()}", GIVEN),
        "codes": lambda one: put_as_shop(one, f"activation-codes/{uuid.uuid4()}", {"reference": 7}),
        "lines": lambda one: one.get(f"{API}/lines/7"),
        "balances": lambda one: one.get(f"{API}/lines/7/balance"),
    }
    for scope in requests:
        shop = await system(scope)
        for other, ask in requests.items():
            answer = await ask(shop)
            assert answer.status_code == (200 if other == scope else 403), (scope, other, answer.text)
    key = shop.client.headers["authorization"].removeprefix("Bearer ")
    (row, *_) = await queries.list_keys()
    assert row.last_used_at
    assert key.startswith(row.prefix)
    await actions.end_key(row.prefix)
    await actions.end_key(key)
    assert (await requests["balances"](shop)).status_code == 401
    with pytest.raises(NotFound):
        await actions.end_key("ok_nothing")
    with pytest.raises(Invalid):
        await actions.add_key("shops", ["everything"])
    stored = await fetch_value("SELECT string_agg(operator_key::text, ' ') FROM operator_key")
    assert key not in stored


async def test_an_operators_key_opens_nothing_else_and_no_other_key_opens_this() -> None:
    shop = await system()
    for path in ("/api/v1/me", "/api/v1/orders", "/api/v1/entitlements"):
        assert (await shop.get(path)).status_code == 401
    assert "/sign-in" in (await shop.get("/en/earnings")).headers["location"]
    for header in (
        "",
        "Bearer",
        "Bearer ok_",
        "Bearer pk_x",
        "Basic ok_x",
        "Bearer ok_" + "x" * 5000,
        "Bearer ok_\xe9",
    ):
        headers = [(b"authorization", header.encode("latin-1"))]
        assert (await shop.get(f"{API}/lines/7", headers=headers)).status_code == 401, header
