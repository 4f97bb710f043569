"""People see and end their sessions, which end by themselves too; keys do what they were made for, and until their end."""

import datetime as dt
import re
import uuid

import pytest

from marketplace.core import clock
from marketplace.core.web.devices import device_of, place_of
from marketplace.people.identity import actions, credentials, key_actions, rules
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.sessions import actor_of_key, actor_of_session, create_session, end_sessions
from marketplace.site.app import routes
from tests.people.builders import PASSWORD, Browser, add_staff, make_partner, page_text
from tests.support.reads import fetch, fetch_value

CLAIRE = "claire@atelier.example"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)


async def test_people_see_where_they_are_signed_in_and_end_it() -> None:
    await make_partner()
    await make_partner("Rival", "rita@rival.example")
    async with Browser() as here, Browser() as there, Browser() as rita:
        there.client.headers["user-agent"] = FIREFOX
        for browser, email in ((here, CLAIRE), (there, CLAIRE), (rita, "rita@rival.example")):
            await browser.sign_in(email)
        shown = await here.get("/en/sessions")
        assert "Firefox, Windows" in page_text(shown)
        assert "127.0.0.0/24" in page_text(shown)
        assert "this one" in page_text(shown)
        (end,) = re.findall(r'action="(/en/sessions/\w{16}/end)"', shown.text)
        assert (await rita.submit(end, {})).status_code == 404
        assert (await there.get("/en/keys")).status_code == 200
        assert (await here.submit(end, {})).headers["location"] == "/en/sessions"
        assert (await there.get("/en/keys")).status_code == 303
        await there.sign_in(CLAIRE)
        await here.submit("/en/sessions/end-others", {})
        assert (await there.get("/en/keys")).status_code == 303
        assert (await here.get("/en/keys")).status_code == 200
        assert (await rita.get("/en/keys")).status_code == 200


@pytest.mark.parametrize(
    ("role", "idle", "lasts"),
    [("", rules.IDLE_FOR, rules.SESSION_LASTS), ("steward", rules.STAFF_IDLE_FOR, rules.STAFF_SESSION_LASTS)],
)
async def test_a_session_ends_when_nobody_uses_it_and_at_last_in_any_case(
    role: str, idle: dt.timedelta, lasts: dt.timedelta
) -> None:
    if role:
        person = await add_staff("sam@operator.example", "Sam", role, PASSWORD)
    else:
        await make_partner()
        person = await fetch_value("SELECT id FROM person")
    left_alone, used = await create_session(person), await create_session(person)
    passed = dt.timedelta(0)
    while passed + idle - MINUTE < lasts:
        passed += idle - MINUTE
        with clock.shifted(passed):
            assert await actor_of_session(used)
    with clock.shifted(idle - MINUTE):
        assert await actor_of_session(left_alone)
    with clock.shifted(2 * idle):
        assert await actor_of_session(left_alone) is None
    with clock.shifted(lasts + MINUTE):
        assert await actor_of_session(used) is None


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (FIREFOX, "Firefox, Windows"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1 (KHTML) Version/18 Safari/605.1",
            "Safari, macOS",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/143.0 Mobile Safari/537.36",
            "Chrome, Android",
        ),
        ("curl/8.5", ""),
        ("<script>alert(1)</script>", ""),
    ],
)
def test_a_device_is_called_by_what_people_know(agent: str, device: str) -> None:
    assert device_of(agent) == device


def test_of_an_address_the_network_alone_is_kept() -> None:
    assert place_of("203.0.113.77") == "203.0.113.0/24"
    assert place_of("2001:db8:1:2::3") == "2001:db8:1::/48"
    assert place_of("testclient") == ""


# Keys ---------------------------------------------------------------------------------------------------------------


def test_every_route_that_a_partners_key_may_ask_states_its_scope() -> None:
    """A route without one is closed to every key."""
    asked = {
        f"{method} {path}": handler.opt["expectation"].scope
        for handler in routes()
        for path in handler.paths
        for method in handler.http_methods - {"HEAD"}
        if path.startswith("/api/") and handler.opt["expectation"].who & {"partner", "vetted partner"}
    }
    events = {"GET /api/v1/events", "GET /api/v1/events.atom"}  # that something happened, and where to read it
    assert {name for name, scope in asked.items() if scope == ""} == {
        "GET /api/v1/me",
        "GET /api/v1/spending-limit",
        *events,
    }
    assert set(asked.values()) == {"", *rules.SCOPES}


async def test_a_key_does_what_it_was_made_for_and_nothing_else() -> None:
    partner = await make_partner()
    await actions.vet_partner(partner, "a steward")
    key = await key_actions.create_key(partner, "x", key_id=uuid.uuid4(), session="s", scopes="downloads")
    async with Browser() as program:
        program.client.headers["authorization"] = f"Bearer {key}"
        assert (await program.get("/api/v1/me")).status_code == 200
        assert (await program.get("/api/v1/entitlements")).status_code == 200
        for path in ("orders", f"quotes/{uuid.uuid4()}", f"bids/{uuid.uuid4()}"):
            refused = await program.get(f"/api/v1/{path}")
            assert refused.status_code == 403
            assert "was not made for it" in refused.json()["detail"]


async def test_a_key_ends_and_one_that_replaces_it_overlaps_for_a_week() -> None:
    partner = await make_partner()
    claire = await fetch_value("SELECT id FROM person")
    first = uuid.uuid4()
    old = await key_actions.create_key(
        partner, "import", key_id=first, session="s", owner=claire, scopes="quotes downloads", days=30
    )
    who = Actor(name="Claire", person=claire, partner=partner)
    new = await key_actions.rotate_key(who, first, new_id=uuid.uuid4(), session="s")
    assert old
    assert new
    for key in (old, new):
        actor = await actor_of_key(key)
        assert actor
        assert actor.scopes == {"quotes", "downloads"}
    with clock.shifted(rules.ROTATION + HOUR):
        assert await actor_of_key(old) is None
        assert await actor_of_key(new)
    with clock.shifted(365 * DAY + HOUR):
        assert await actor_of_key(new) is None


async def test_the_page_makes_keys_with_scopes_and_an_end() -> None:
    await make_partner()
    async with Browser() as claire:
        await claire.sign_in(CLAIRE)
        form = {"label": "import", "scopes": "downloads", "days": "30"}
        await claire.submit("/en/keys", form)
        shown = page_text(await claire.get("/en/keys"))
        assert "Downloads alone" in shown
        assert "Claire Martin" in shown
        assert (await claire.submit("/en/keys", form | {"scopes": "everything"})).status_code == 422
        assert (await claire.submit("/en/keys", form | {"days": "100000"})).status_code == 422
        for_a_month = "SELECT ends_at - created_at = interval '30 days' FROM api_key"
        assert await fetch_value(for_a_month)


async def test_the_first_person_of_a_company_administers_it_however_they_came() -> None:
    partner = await make_partner()
    (claire,) = [row["id"] for row in await fetch("SELECT id FROM person")]
    await actions.erase_person(claire)
    codes = [
        await actions.invite_colleague(partner, email=email, name="N", invitation_id=uuid.uuid4())
        for email in ("one@atelier.example", "two@atelier.example")
    ]
    for code in codes:
        await actions.accept_invitation(code, PASSWORD, "en")
    assert [row["company_role"] for row in await fetch("SELECT company_role FROM person ORDER BY created_at")] == [
        "administrator",
        "buyer",
    ]


async def test_who_gives_somebody_elses_address_does_not_end_their_invitations() -> None:
    inviting = await make_partner()
    claire = await fetch_value("SELECT id FROM person")
    await actions.invite_colleague(
        inviting, email="victim@elsewhere.example", name="Victor", invitation_id=uuid.uuid4(), by=claire
    )
    for confirms, left in ((False, 1), (True, 0)):
        await make_partner("Mask", "victim@elsewhere.example")
        mask = await fetch_value("SELECT id FROM person WHERE id <> $1", claire)
        if confirms:
            await credentials.confirm_email(mask)
        await actions.erase_person(mask)
        assert await fetch_value("SELECT count(*) FROM invitation") == left


async def test_the_operator_ends_the_sessions_of_one_person_or_of_everyone() -> None:
    await make_partner()
    await make_partner("Rival", "rita@rival.example")
    await actions.add_subscribers([7])
    [(_, code)] = await actions.issue_activation_codes([7])
    await actions.claim_line(7, code, email="zoe@home.example", name="Zoé", password=PASSWORD)
    async with Browser() as claire, Browser() as rita, Browser() as zoe:
        for browser, email in (
            (claire, "claire@atelier.example"),
            (rita, "rita@rival.example"),
            (zoe, "zoe@home.example"),
        ):
            await browser.sign_in(email)
        browsers = (claire, rita, zoe)

        async def signed_in() -> list[bool]:
            return [(await one.get("/en/inbox")).status_code == 200 for one in browsers]

        assert await end_sessions(email="nobody@home.example") == 0
        assert await signed_in() == [True, True, True]
        assert await end_sessions(email="claire@atelier.example") == 1
        assert await signed_in() == [False, True, True]
        assert await end_sessions(line=7) == 1
        assert await signed_in() == [False, True, False]
        await zoe.sign_in("zoe@home.example")
        assert await end_sessions(email="zoe@home.example") == 1, "whose address is sealed is found all the same"
        assert await end_sessions() == 1
        assert await signed_in() == [False, False, False]
    assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'sessions_ended'") == 5
