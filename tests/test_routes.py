"""Every route states who may ask it and what a stranger's id gets; every kind of visitor asks every route, and it is so."""

import datetime as dt
import re
import uuid
from http import HTTPStatus
from pathlib import Path

import pytest
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_rows, fetch_scalar
from marketplace.oversight.public_log.actions import keep_log
from marketplace.people.identity.guards import COOKIE, begin_session
from marketplace.subscribers.earnings.queries import list_shares
from tests.people.builders import Browser
from tests.support.market import seed_demo
from tests.support.routes import (
    KINDS,
    NAMES,
    OUR_ROUTES,
    OWNERS,
    expectation_of,
    key_of,
    path_with_ids,
    sign_in_everyone,
    status_of_route,
)
from tests.support.sites import the_site

PROGRAMS = {"the monitor", "Stripe", "a recipient"}
"""Programs that show who they are by a token or a signature: their own tests ask as them."""
REFUSED = {401, 403}
LAST = ["/profile/erase", "/sign-out"]
"""After these a visitor is signed in no more."""
ASKED_APART = {"token", "upload_id", "debt", "year", "month", "bucket", "purchase", "kept"}
"""Ids that no partner and no line of the demo owns: tests of quotes and of previews ask with a forged link, and as another
clerk; a test of bid shielding asks to pay another's debt; one of gifts asks for years and months without any;
those of buckets and of kept zones ask as another partner."""


class Owner(Struct, frozen=True):
    """A partner or a line."""

    owner: str | None


class Owned(Struct, frozen=True):
    """A thing that belongs to a partner or a line."""

    owner: str
    id: str


def parameters_of(path: str) -> list[str]:
    """Return the names of a path's parameters."""
    return re.findall(r"\{(\w+):", path)


@pytest.mark.parametrize(("handler", "path"), OUR_ROUTES, ids=NAMES)
def test_a_route_states_who_may_and_what_a_strangers_id_gets(handler: HTTPRouteHandler, path: str) -> None:
    assert "expectation" in handler.opt, "give the route `opt=expect(…)`"
    stated = expectation_of(handler)
    assert stated.who
    assert (stated.stranger is not None) == bool(parameters_of(path))


def asked_last(route: tuple[tuple[HTTPRouteHandler, str], str]) -> int:
    """Return when a route is asked: those that end a visit after all others."""
    (_, path), _ = route
    return LAST.index(path) if path in LAST else -1


@pytest.mark.deep
async def test_visitors_of_every_kind_may_ask_what_routes_state() -> None:
    visitors = await sign_in_everyone()
    wrong = []
    for (handler, path), name in sorted(zip(OUR_ROUTES, NAMES, strict=True), key=asked_last):
        stated = expectation_of(handler)
        if stated.who <= PROGRAMS:
            continue
        for kind, visitor in visitors.items():
            status = await status_of_route(visitor, handler, path_with_ids(path))
            if (status in REFUSED) == bool(stated.who & KINDS[kind]):
                wrong.append(f"{name} answers {kind} with {status}, and is for {sorted(stated.who)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.deep
async def test_a_strangers_id_gets_what_routes_state(tmp_path: Path) -> None:
    async with seed_demo(tmp_path):
        with clock.shifted(dt.timedelta(days=2)):
            await keep_log()  # a proof is there once its day is over
        owners = await list_owners()
        for owner in owners:
            await sign_in_owner(owner)
        strangers = await sign_in_everyone()
        wrong = []
        for (handler, path), name in zip(OUR_ROUTES, NAMES, strict=True):
            stated = expectation_of(handler)
            if stated.stranger in {None, HTTPStatus.OK}:
                continue
            (*_, parameter) = parameters_of(path)
            if parameter in ASKED_APART:
                continue
            thing = await owned(parameter, owners)
            assert thing, f"the demo has no {parameter}"
            known = path_with_ids(path, **{parameter: thing.id, "auction": await auction_of(thing.id)})
            status = await status_of_route(
                strangers["subscriber" if "subscriber" in stated.who else "partner"], handler, known
            )
            if status != stated.stranger:
                wrong.append(f"{name} answers a stranger with {status}")
            if "GET" in handler.http_methods:
                status = await status_of_route(await sign_in_owner(thing.owner), handler, known)
                if status in {*REFUSED, stated.stranger}:
                    wrong.append(f"{name} answers the owner with {status}")
        assert not wrong, "\n".join(wrong)


async def owned(parameter: str, owners: list[str]) -> Owned | None:
    """Return a thing of one of the owners, by the parameter that names it; of a licence, one that the line has a share in."""
    rows = await fetch_rows(Owned, f"SELECT * FROM ({OWNERS[parameter]}) AS owned WHERE owner = ANY($1)", owners)
    if parameter != "licence":
        return rows[0] if rows else None
    for line in {row.owner for row in rows}:
        for share in (await list_shares(int(line))).rows:
            return Owned(line, str(share.id))
    return None


async def auction_of(bid: str) -> str:
    """Return the auction of a bid; for other things an id that is nobody's."""
    return await fetch_scalar(str, "SELECT auction::text FROM bid WHERE id::text = $1", bid) or str(uuid.uuid4())


async def list_owners() -> list[str]:
    """Return the partners and lines that have people."""
    rows = await fetch_rows(Owner, "SELECT DISTINCT coalesce(partner::text, subscriber::text) AS owner FROM person")
    return [row.owner for row in rows if row.owner]


async def sign_in_owner(owner: str) -> Browser:
    """Sign in a person of a partner, or of a line."""
    statement = "SELECT id FROM person WHERE partner::text = $1 OR subscriber::text = $1"
    person = await fetch_scalar(uuid.UUID, statement, owner)
    assert person
    browser = Browser(the_site())
    browser.client.cookies.set(COOKIE, (await begin_session(person)).value or "")
    if "-" in owner:
        browser.client.headers["authorization"] = f"Bearer {await key_of(person)}"
    return browser
