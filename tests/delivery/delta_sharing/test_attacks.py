"""The attack: a partner, with its own good credential, tries every part of Delta Sharing's requests against others and us.

It names tables of others and paths outside, forges tokens of pages, asks for versions, instants and limits out of range,
nests JSON without end, replays what a key pair signed, once to two processes at the same time, and goes on after a refund.
"""

import asyncio
import base64
import json
import uuid
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwk
from msgspec import json as encoded

from marketplace.core import clock
from marketplace.delivery.delta_sharing import actions, rules
from marketplace.delivery.delta_sharing.tables import UsedAssertion
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

TOKENS = "/delta-sharing/oauth/token"
ELSEWHERE = (
    "..%2f..%2fcells",
    "%2e%2e",
    "lyon%00",
    "lyon'--",
    "lyon%2f..%2flyon",
    "l" * 5_000,
    "%ff",
    "lyon_edition_9",
)
"""Names of tables that lead nowhere."""
HOSTILE: list[bytes] = [
    b"[" * 100_000,
    b'{"predicateHints":' + b"[" * 50_000,
    b'{"timestamp": "\\ud800"}',
    b'{"timestamp": "\xff"}',
    b'{"version": true}',
    b'{"version": 1.5}',
    b'{"version": ' + b"9" * 5_000 + b"}",
    b'{"limitHint": "all"}',
    b'{"timestamp": 1}',
    b'{"startingVersion": 1, "endingVersion": 0}',
    b'{"startingVersion": 0, "endingVersion": -2}',
    b'{"pageToken": "0.-1"}',
    b"[]",
    b"null",
]
OUT_OF_RANGE: list[dict[str, Any]] = [
    {"version": -1},
    {"version": 10**40},
    {"startingVersion": -1},
    {"startingVersion": 2},
    {"pageToken": "999999999.0"},
    {"refreshToken": "7"},
    {"timestamp": "0001-01-01T00:00:00+23:59"},
]


async def test_nothing_but_ones_own_is_read_and_nothing_fails(stripe: Any) -> None:
    async for customer in customers(400, MARCH):
        april = await make_sale(customer.browser, customer.partner, await seal_release(rows=300, period=APRIL))
        token = (await profile_of(customer))["bearerToken"]
        rival_partner = await make_buyer("rival")
        async with Browser() as rival, sharing_client(customer, f"Bearer {token}") as client:
            await rival.sign_in("rival@partner.example")
            customer.browser, its_own = rival, customer.browser
            others = await profile_of(customer)
            customer.browser = its_own
            theirs = {"authorization": f"Bearer {others['bearerToken']}"}
            assert (await client.get("/delta-sharing/shares/partage/all-tables", headers=theirs)).json()["items"] == []
            for asked in (
                client.get(f"{TABLE}/version", headers=theirs),
                client.get(f"{TABLE}/changes?startingVersion=0", headers=theirs),
                client.post(f"{TABLE}/query", headers=theirs, json={"pageToken": "0.0"}),
            ):
                assert (await asked).status_code == 404, "another partner's table is no table"
            *_, first, _second = protocol_lines(await client.post(f"{TABLE}/query", json={}))
            url = path_of(first["file"]["url"])
            _, _, _, _mine, entitlement = url.partition("?")[0].split("/")[:5]
            its_id = await fetch_value("SELECT id FROM sharing_credential WHERE partner = $1", rival_partner)
            for altered in (
                url.replace(_mine, str(its_id)),
                url.replace(entitlement, str(uuid.uuid4())),
                url.replace("se=", "se=9"),
            ):
                assert (await client.get(altered)).status_code == 404, "an address is signed as a whole"
            for name in ELSEWHERE:
                for path in (TABLE.replace("lyon", name), TABLE.replace("releases", name)):
                    answer = await client.get(f"{path}/version")
                    assert answer.status_code in {400, 404}, (name, answer.text)
            await check_bodies(client)
            await request_order_refund(april["id"], "Léa", refund_id=uuid.uuid4())
            for body in (b'{"version": 1}', b'{"pageToken": "1.0"}', b'{"refreshToken": "1"}'):
                assert (await client.post(f"{TABLE}/query", content=body)).status_code == 410, (
                    "a token outlives nothing"
                )
    assert stripe


async def check_bodies(client: httpx.AsyncClient) -> None:
    """Check that what is malformed or out of range is refused, and that no hint makes an answer larger or wrong."""
    for body in HOSTILE:
        answer = await client.post(f"{TABLE}/query", content=body)
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "INVALID_PARAMETER_VALUE"), body[:60]
    for wanted in OUT_OF_RANGE:
        answer = await client.post(f"{TABLE}/query", content=encoded.encode(wanted))
        assert answer.status_code in {400, 404}, (wanted, answer.text)
    for hint in (0, -1, 10**30):
        assert len(
            protocol_lines(await client.post(f"{TABLE}/query", content=encoded.encode({"limitHint": hint})))
        ) in {3, 4}
    for most in ("-1", "x", "9" * 5_000):
        assert (await client.get(f"/delta-sharing/shares/partage/all-tables?maxResults={most}")).status_code == 400
    for after in ("", "../../x", "%00", "zzz"):
        items = (await client.get(f"/delta-sharing/shares/partage/all-tables?pageToken={after}")).json()["items"]
        assert len(items) == (after != "zzz")


async def test_what_a_key_pair_signed_opens_once(stripe: Any) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    async for customer in customers():
        profile = await profile_of(customer, "key_pair", pem_of(key))
        private = jwk.ECKey.import_key(key)
        async with sharing_client(customer, "") as client:
            for named in ({"jti": "1"}, {}, {"jti": 7}):
                form = assertion(profile, private, **named)
                answers = await asyncio.gather(*(client.post(TOKENS, data=form) for _ in range(5)))
                assert sorted(one.status_code for one in answers) == [200, 401, 401, 401, 401], "at once, too"
                refused = next(one for one in answers if one.status_code == 401).json()
                assert (refused["errorCode"], "was used" in refused["message"]) == ("UNAUTHENTICATED", True)
            again = assertion(profile, private, jti="1", iat=int(clock.now().timestamp()) - 3)
            assert (await client.post(TOKENS, data=again)).status_code == 401, "signed anew under the same id"
            assert await UsedAssertion.count() == 3
            now = clock.now()
            late = now + rules.ASSERTION_LASTS
            await actions._use("0" * 64, late, late)  # five minutes later
            assert await UsedAssertion.count() == 1, "what is over is forgotten"
            nested = base64.urlsafe_b64encode(b'{"iss":' + b"[" * 50_000).decode()
            deep = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 50_000).decode()
            claims = again["assertion"].split(".")[1]
            for made in (f"a.{nested}.c", f"{deep}.{claims}.c", "", ".", "é.é.é"):
                answer = await client.post(TOKENS, data=again | {"assertion": made})
                assert answer.status_code == 401, answer.text
            lone = base64.urlsafe_b64encode(json.dumps({"iss": "\ud800"}).encode()).decode()
            assert (await client.post(TOKENS, data=again | {"assertion": f"a.{lone}.c"})).status_code == 401
    assert stripe


@pytest.mark.parametrize("sign", ["\ufffe", "\uffff", "\x00", "\ud800"])
def test_no_name_has_what_no_xml_holds(sign: str) -> None:
    from marketplace.core.errors import Invalid  # noqa: PLC0415
    from marketplace.people.identity.rules import clean_text  # noqa: PLC0415

    with pytest.raises(Invalid):
        clean_text(f"Atelier{sign}")
