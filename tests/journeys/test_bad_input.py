"""Bad input over HTTP: each gets a 4xx and a sentence, problem details for machines, and leaves every row as it was."""

import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from stripe import WebhookSignature

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.settings import settings
from marketplace.people.identity import actions as identity
from marketplace.people.identity import key_actions
from tests.sales.builders.shop import jobs, make_quote, open_shop, pay
from tests.support.market import PASSWORD, Market, Visitor, activate_line, let_people_in, running
from tests.support.reads import fetch, fetch_value

FIFTY_MB = 50 * 1024 * 1024
NOBODY = "00000000-0000-4000-8000-000000000000"
HUGE = "9" * 40
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Case:
    """What `who` sends, what it must be answered, and a word of the sentence."""

    who: str
    sent: str
    status: int
    sentence: str = ""
    body: Any = None
    """A form's fields (with the token of the page), or the bytes as they are."""
    headers: dict[str, str] = field(default_factory=dict)


def bad_cases(own: dict[str, str]) -> list[Case]:
    """Return the table; `own` names what the partner has and the rival asks for."""
    order, quote, entitlement, release = own["order"], own["quote"], own["entitlement"], own["release"]
    key = {"idempotency-key": str(uuid.uuid4())}
    event = json.dumps({"id": "evt_1", "object": "event", "type": "checkout.session.completed", "data": {"object": {}}})
    signed = WebhookSignature.generate_signature_header(event, settings().stripe_webhook_secret, int(time.time()))
    return [
        # another's, or nobody's
        *(
            Case("rival", f"GET {path}", 404)
            for path in (
                f"/orders/{order}",
                f"/quotes/{quote}",
                f"/quotes/{quote}/document.json",
                f"/entitlements/{entitlement}/download?format=csv",
                f"/orders/{NOBODY}",
                "/orders/7",
            )
        ),
        Case("rival", f"POST /quotes/{quote}/orders", 404, "quote", {}),
        Case("rival", f"POST /orders/{order}/pay", 404, "order", {}),
        Case("rival machine", f"GET /api/v1/orders/{order}", 404, "order"),
        Case("rival machine", f"GET /api/v1/quotes/{quote}", 404, "quote"),
        Case("rival machine", f"GET /api/v1/entitlements/{entitlement}/download?format=csv", 404),
        Case(
            "rival machine",
            "POST /api/v1/orders",
            404,
            "quote",
            json.dumps({"quote": quote, "terms": "standard-1"}).encode(),
            JSON | key,
        ),
        # unknown datasets and releases
        Case("stranger", "GET /datasets/atlantis", 404),
        Case("stranger", "GET /datasets/atlantis/sample.csv", 404),
        Case("stranger", f"GET /datasets/lyon?release={NOBODY}", 404),
        Case("stranger", "GET /datasets/lyon?release=seven", 400),
        Case("machine", "GET /api/v1/datasets/atlantis", 404, "dataset"),
        Case("partner", "POST /datasets/lyon/quotes", 404, "release", {"release": NOBODY}),
        Case("partner", "POST /datasets/lyon/quotes", 400, "release", {"release": "' OR 1=1 --"}),
        Case("machine", "POST /api/v1/quotes", 404, "release", json.dumps({"release": NOBODY}).encode(), JSON | key),
        # tampered quotes: their id, a price of one's own, amounts of zero, negative or absurd size
        Case(
            "machine",
            "POST /api/v1/orders",
            404,
            "quote",
            json.dumps({"quote": quote[:-1] + ("0" if quote[-1] != "0" else "1"), "terms": "standard-1"}).encode(),
            JSON | key,
        ),
        *(
            Case(
                "machine",
                f"POST /api/v1/{what}",
                400,
                "amount_minor",
                json.dumps({noun: value, "amount_minor": amount}).encode(),
                JSON | key,
            )
            for what, noun, value in (("orders", "quote", quote), ("quotes", "release", release))
            for amount in (0, -1, 10**30, 1.5, "free")
        ),
        Case(
            "machine",
            "POST /api/v1/orders",
            422,
            "Idempotency-Key",
            json.dumps({"quote": quote, "terms": "standard-1"}).encode(),
            JSON,
        ),
        # webhooks that Stripe did not sign
        Case("Stripe", "POST /webhooks/stripe", 400, "", event.encode()),
        Case(
            "Stripe",
            "POST /webhooks/stripe",
            400,
            "",
            event.replace("evt_1", "evt_2").encode(),
            {"stripe-signature": signed},
        ),
        Case("Stripe", "POST /webhooks/stripe", 400, "", event.encode(), {"stripe-signature": signed[:-1] + "z"}),
        # malformed bodies
        *(
            Case("machine", f"POST /api/v1/{what}", 400, "", body, JSON | key)
            for what in ("orders", "quotes")
            for body in (b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b"[" * 5_000, b'{"quote": 7, "release": 7}')
        ),
        Case("partner", "POST /keys", 400, "", {"name": "\x00"}),
        # 50 MB
        Case("stranger", "POST /sign-in", 413, "large", bytes(FIFTY_MB), FORM),
        Case("machine", "POST /api/v1/orders", 413, "large", bytes(FIFTY_MB), JSON | key),
        Case("Stripe", "POST /webhooks/stripe", 413, "large", bytes(FIFTY_MB), {"stripe-signature": signed}),
        # sessions and keys that are over, were never, or are of another role
        Case("expired", f"POST /orders/{order}/pay", 401, "Sign in", {}),
        Case("stranger", "POST /keys", 401, "Sign in", {"name": "robot"}),
        Case("forged machine", "GET /api/v1/orders", 401, "Sign in"),
        Case("partner", "GET /finance", 403),
        Case("partner", "GET /earnings", 403),
        Case("subscriber", "GET /orders", 403),
        Case("auditor", f"POST /finance/orders/{order}/refund", 403, "", {"reason": "because I say so"}),
        Case("finance", f"POST /finance/orders/{NOBODY}/refund", 404, "order", {"reason": "because they asked"}),
        Case("finance", f"POST /finance/orders/{order}/refund", 422, "say why", {"reason": " "}),
        # a form without its token, or of another form's id
        Case("partner", "POST /keys", 403, "form", b"name=robot", FORM),
        Case("partner", f"POST /quotes/{quote}/orders", 400, "form_id", {"form_id": "seven"}),
        # pages and days that are not there
        *(
            Case("finance", f"GET /finance/journal?{query}", status)
            for query, status in (
                ("page=0", 400),
                ("page=-1", 400),
                (f"page={HUGE}", 400),
                ("page=one", 400),
                ("since=yesterday", 422),
                ("account=999999", 404),
            )
        ),
        Case("finance", f"GET /finance/journal/{HUGE}", 404),
        Case("subscriber", "GET /earnings/statements/0", 404),
        Case("subscriber", f"GET /earnings/shares/{NOBODY}", 404),
        Case(
            "subscriber", "POST /consent", 422, "given or withdrawn", {"word": "sell", "purpose": "presence.statistics"}
        ),
        Case("subscriber", "POST /consent", 404, "", {"word": "give", "purpose": "everything"}),
        Case("stranger", "GET /nowhere", 404),
        Case("stranger", "PUT /orders", 405),
        Case("machine", "DELETE /api/v1/orders", 405),
    ]


async def open_for_bad_input(market: Market) -> tuple[dict[str, httpx.AsyncClient], dict[str, str]]:
    """Open the shop, let everyone in, and have the partner buy; return who there is and what the partner has."""
    release = await open_shop()
    visitors: dict[str, Visitor] = await let_people_in(market)
    partner = await fetch_value("SELECT id FROM partner")
    rival = await identity.create_partner(
        company="Rival",
        country="FR",
        vat_number="FR40303265045",
        name="Rita",
        email="rival@people.example",
        password=PASSWORD,
        partner_id=uuid.uuid4(),
    )
    await identity.vet_partner(rival, "Steward")
    for name, email in (("rival", "rival@people.example"), ("expired", "partner@people.example")):
        visitors[name] = market.visitor()
        await visitors[name].sign_in(email)
    latest = "(SELECT token_hash FROM session ORDER BY created_at DESC LIMIT 1)"
    await execute(f"UPDATE session SET created_at = $1, expires_at = $2 WHERE token_hash = {latest}", *gone())
    await identity.add_subscribers([7])
    visitors["subscriber"] = await activate_line(market, 7, "lucie@people.example")
    who = {name: visitor.http for name, visitor in visitors.items()}
    for name in ("stranger", "Stripe", "machine", "rival machine", "forged machine"):
        who[name] = market.visitor().http
    for name, owner in (("machine", partner), ("rival machine", rival)):
        key = await key_actions.create_key(owner, "robot", key_id=uuid.uuid4(), session="a session's secret")
        who[name].headers["authorization"] = f"Bearer {key}"
    who["forged machine"].headers["authorization"] = "Bearer partage_of_my_own_making"
    paid = await make_quote(partner, release)
    buying = visitors["partner"]
    buying.http.follow_redirects = False
    to_stripe = await buying.submit(f"/quotes/{paid}", "/orders", status=303, street="1 rue Longue", city="Lyon")
    await pay(to_stripe.headers["location"])
    await jobs()
    own = {
        "order": await fetch_value("SELECT id FROM purchase_order"),
        "release": release,
        "quote": await make_quote(partner, release),
        "entitlement": await fetch_value("SELECT id FROM entitlement"),
    }
    for client in who.values():
        client.follow_redirects = False
    return who, {name: str(value) for name, value in own.items()}


def gone() -> tuple[Any, Any]:
    """Return when a session that is over began and ended."""
    now = clock.now()
    return now.replace(year=now.year - 1), now.replace(microsecond=0)


async def count_rows() -> dict[str, int]:
    """Count the rows of every table that something could be half-written to; the trail notes what staff were refused."""
    names = await fetch(
        """SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
           AND table_name NOT IN ('stripe_event', 'job_run', 'staff_action', 'unlinked_action') ORDER BY 1"""
    )
    return {name: await fetch_value(f'SELECT count(*) FROM "{name}"') for (name,) in names}


async def answer_to_case(client: httpx.AsyncClient, case: Case) -> httpx.Response:
    """Send it: pages in English, a form with the token of a page."""
    method, path = case.sent.split(" ", 1)
    is_page = not path.startswith(("/api/", "/webhooks/"))
    headers = {"accept-language": "en"} | case.headers
    address = f"/en{path}" if is_page else path
    if isinstance(case.body, dict):
        await client.get("/en/sign-out")
        fields = {"_csrf_token": client.cookies["csrftoken"], "form_id": str(uuid.uuid4())} | case.body
        return await client.request(method, address, data=fields, headers=headers)
    content = in_pieces(case.body) if case.body and len(case.body) == FIFTY_MB else case.body
    try:
        return await client.request(method, address, content=content, headers=headers)
    except (httpx.WriteError, httpx.ReadError) as error:
        raise AssertionError(f"{case.sent}: the connection broke: {error!r}") from error


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """Send a large body as it comes, its size untold."""
    for start in range(0, len(body), 1 << 20):
        yield body[start : start + (1 << 20)]


def fault_of(case: Case, answer: httpx.Response) -> str:
    """Say what is wrong with an answer; nothing is the empty string."""
    kind = answer.headers.get("content-type", "")
    if answer.status_code != case.status:
        return f"{answer.status_code} instead of {case.status}"
    if case.sent.split(" ", 1)[1].startswith(("/api/", "/webhooks/")):
        problem = answer.json()
        answered_with, shaped = (
            problem["detail"],
            kind == "application/problem+json" and problem["status"] == case.status,
        )
        shaped = shaped and problem["title"] and answered_with.endswith(".")
    else:
        answered_with, shaped = answer.text, kind.startswith("text/html") and "<h1" in answer.text
    if not shaped:
        return f"neither a page nor problem details but {kind}: {answered_with[:300]}"
    if case.sentence.lower() not in answered_with.lower():
        return f"does not say {case.sentence!r}: {answered_with[-1500:]}"
    if any(word in answered_with.lower() for word in ("traceback", "litestar", "asyncpg", "msgspec")):
        return f"shows its insides: {answered_with[:300]}"
    return ""


@pytest.mark.long
async def test_bad_input_gets_a_sentence_and_changes_nothing() -> None:
    async with running() as market:
        who, own = await open_for_bad_input(market)
        before, wrong = await count_rows(), []
        table = bad_cases(own)
        for case in table:
            answer = await answer_to_case(who[case.who], case)
            if why := fault_of(case, answer):
                wrong.append(f"{case.who}: {case.sent[:80]} {str(case.body)[:60]}: {why}")
        after = await count_rows()
        assert wrong == [], "\n".join(wrong)
        assert {name: (before[name], after[name]) for name in after if before[name] != after[name]} == {}
        assert await fetch_value("SELECT count(*) FROM stripe_event WHERE id IN ('evt_1', 'evt_2')") == 0
        assert len(table) > 60
