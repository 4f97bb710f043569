"""Hostile bodies, files, paths, headers and encodings, of every route as everyone who may ask it: no 5xx, and none is slow."""

import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from msgspec import Struct

from marketplace.core.database import fetch_rows, fetch_scalar
from marketplace.core.settings import settings
from marketplace.people.identity.guards import COOKIE, begin_session
from marketplace.site.serving.form_tokens import TOKEN_COOKIE, token_of
from marketplace.site.serving.refusals import MACHINE_PATHS
from tests.people.builders import Browser
from tests.support.hostile import Ask, Place, asks, places
from tests.support.market import seed_demo
from tests.support.routes import KINDS, OUR_ROUTES, OWNERS, expectation_of, key_of, sign_in_everyone
from tests.support.sites import the_site

SLOWEST_SECONDS = 3
ENDLESS = "/stream"
"""Live pages never end: what they are asked with is hostile, which of them is there is not."""
BEGIN_AGAIN = 25
OWNERS_TO_BE = {
    "partner": "SELECT person.id FROM person JOIN purchase_order USING (partner) GROUP BY person.id ORDER BY count(*) DESC LIMIT 1",
    "subscriber": "SELECT id FROM person WHERE subscriber IS NOT NULL AND subscriber <> 7 ORDER BY id LIMIT 1",
}
"""Who asks in a marketplace that sells: those who have something."""
THINGS = {
    name: f"SELECT {column}::text AS id FROM {table}"
    for name, column, table in (
        ("code", "code", "dataset"),
        ("release", "id", "release"),
        ("auction", "id", "auction"),
        ("run", "id", "payout_run"),
        ("partner_id", "id", "partner"),
        ("line_id", "id", "bank_line"),
        ("statement_id", "id", "bank_statement"),
        ("entry_id", "id", "journal_entry"),
        ("order_id", "id", "purchase_order"),
        ("licence_id", "id", "licence"),
        ("command_id", "id", "stripe_command"),
        ("movement_id", "id", "balance_transaction"),
        ("reference", "reference", "subscriber"),
        ("email", "email", "person"),
    )
}
"""What a parameter of a path names that belongs to nobody in particular."""
SAYS_SO = {("GET /readyz", 503), ("POST /finance/reconciliation", 503)}
"""What an answer of 5xx is for: whether the site can serve, and here it has no jobs; that Stripe, not there, does not answer."""
WHO = {
    f"{method} {path}": expectation_of(handler).who for handler, path in OUR_ROUTES for method in handler.http_methods
}


class Id(Struct, frozen=True):
    """An id, as a path has it."""

    id: str


def litestar_of(app: Any) -> Litestar:
    """Return the application inside what is around it."""
    while not isinstance(app, Litestar):
        app = app.app
    return app


class Visitors:
    """Everyone, each signed in again when a hostile request has ended their session."""

    def __init__(self, browsers: dict[str, Browser]) -> None:
        """Remember who has which session."""
        self.browsers, self.people = browsers, dict[str, uuid.UUID]()

    async def remember(self) -> None:
        """Remember who they are."""
        for kind, browser in self.browsers.items():
            if secret := browser.session():
                found = "SELECT person FROM session WHERE token_hash = encode(sha256($1::text::bytea), 'hex')"
                person = await fetch_scalar(uuid.UUID, found, secret)
                assert person
                self.people[kind] = person

    async def begin_again(self) -> None:
        """Sign in everyone who is still there."""
        for kind, person in self.people.items():
            if await fetch_scalar(bool, "SELECT true FROM person WHERE id = $1 AND ended_at IS NULL", person):
                self.browsers[kind].client.cookies.set(COOKIE, (await begin_session(person)).value or "")

    def of(self, route: str, number: int) -> Browser:
        """Return one of those who may ask a route, another each time."""
        may = [kind for kind, words in KINDS.items() if WHO[route] & words] or ["nobody"]
        return self.browsers[may[number % len(may)]]


async def answer_to(browser: Browser, ask: Ask) -> tuple[int, float]:
    """Send a request as this visitor, with the token of their forms, and return its status and how long it took."""
    client, session = browser.client, browser.session()
    token = token_of(session, "")
    if not session:
        client.cookies.set(TOKEN_COOKIE, token)
    more: dict[str, Any] = {"content": ask.body} if ask.body is not None else {}
    if ask.fields is not None:
        more = {"data": ask.fields}
        if ask.files:
            more["files"] = {name: (f"{name}.xml", data) for name, data in ask.files.items()}
    request = client.build_request(ask.method, "/", headers={"x-csrftoken": token}, **more)
    request.url = request.url.copy_with(raw_path=ask.path)
    request.headers = httpx.Headers([*request.headers.raw, *((name.encode(), value) for name, value in ask.headers)])
    began = time.monotonic()
    answer = await client.send(request)
    return answer.status_code, time.monotonic() - began


async def send_hostile_requests(
    visitors: Visitors, every: list[Place], count: int, seed: int, known: dict[str, list[str]]
) -> None:
    """Send so many hostile requests; refuse a 5xx, a slow one, and a run that never came past the guards."""
    wrong, statuses = [], Counter[int]()
    for number, ask in enumerate(asks(every, count, seed, known)):
        if number % BEGIN_AGAIN == 0:
            await visitors.begin_again()
        status, seconds = await answer_to(visitors.of(ask.route, number // len(every)), ask)
        statuses[status] += 1
        if seconds > SLOWEST_SECONDS:  # once more: others may have had the machine
            _, seconds = await answer_to(visitors.of(ask.route, number // len(every)), ask)
        if (status >= 500 and (ask.route, status) not in SAYS_SO) or seconds > SLOWEST_SECONDS:
            wrong.append(f"{status} after {seconds:.1f} s: {ask}"[:700])
    assert not wrong, f"{len(wrong)} of {count}:\n" + "\n".join(wrong[:20])
    assert sum(statuses[status] for status in (401, 403)) < count / 5, f"most come past the guards: {statuses}"
    assert statuses[200] > count / 20


@pytest.fixture
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one address ask as often as it likes."""
    monkeypatch.setenv("PARTAGE_ADDRESS_LIMIT", "0")
    monkeypatch.setenv("PARTAGE_KEY_LIMIT", "0")
    settings.cache_clear()


@pytest.mark.deep
@pytest.mark.usefixtures("unlimited")
async def test_a_thousand_hostile_requests_get_no_fault_and_no_wait() -> None:
    visitors = Visitors(await sign_in_everyone())
    await visitors.remember()
    every = places(litestar_of(the_site()), MACHINE_PATHS)
    assert len(every) > 180
    await send_hostile_requests(visitors, every, 1000, seed=1, known={})


@pytest.mark.deep
@pytest.mark.usefixtures("unlimited")
async def test_two_thousand_hostile_requests_in_a_marketplace_that_sells(tmp_path: Path) -> None:
    async with seed_demo(tmp_path):
        visitors = Visitors(await sign_in_everyone())
        await visitors.remember()
        for kind, sql in OWNERS_TO_BE.items():
            visitors.people[kind] = person = await fetch_scalar(uuid.UUID, sql) or uuid.UUID(int=0)
            if kind != "subscriber":
                visitors.browsers[kind].client.headers["authorization"] = f"Bearer {await key_of(person)}"
        owned = {name: f"SELECT id FROM ({sql}) AS owned WHERE owner IS NOT NULL" for name, sql in OWNERS.items()}
        known = {
            name: [row.id for row in await fetch_rows(Id, f"{sql} LIMIT 50")] for name, sql in (owned | THINGS).items()
        }
        assert all(known[name] for name in ("order", "code", "release", "entry_id", "run", "line_id")), known
        every = [place for place in places(litestar_of(the_site()), MACHINE_PATHS) if not place.path.endswith(ENDLESS)]
        await send_hostile_requests(visitors, every, 2000, seed=2, known=known)
