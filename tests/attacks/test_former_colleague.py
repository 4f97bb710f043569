"""The attack: somebody who was removed tries everything that they still have, and hurries while they are being removed.

They have their password, a session in another browser, API keys, the link that they joined with, a second link to
themselves that they never used, and a link that they made for a friend. Two administrators remove each other at once.
"""

import asyncio
import datetime as dt
import uuid

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Expired, NotAllowed, NotFound, Refusal
from marketplace.people.identity import actions, ending, key_actions
from marketplace.people.identity.sessions import actor_of_key, actor_of_session, create_session
from tests.attacks.builders import EVE, FRIEND, invite, join, make_administrators
from tests.people.builders import PASSWORD, Browser, make_partner, person_of
from tests.support.reads import fetch, fetch_value


async def test_nothing_that_a_former_colleague_has_lets_them_in() -> None:
    partner, claire = await make_partner(), await person_of("claire@atelier.example")
    used, unused = await invite(partner, EVE), await invite(partner, EVE)
    form = uuid.uuid4()
    eve = await actions.accept_invitation(used, PASSWORD, "en", form=form)
    await ending.set_role(partner, eve, "administrator", by=claire)
    for_friend = await invite(partner, FRIEND, by=eve)
    session = await create_session(eve)
    hers = await key_actions.create_key(partner, "hers", key_id=uuid.uuid4(), session="s", owner=eve)
    ours = await key_actions.create_key(partner, "ours", key_id=uuid.uuid4(), session="s", owner=claire)
    assert hers
    assert ours
    await ending.remove_colleague(partner, eve, by=claire)

    assert await actor_of_session(session) is None
    assert await actor_of_key(hers) is None
    assert await actor_of_key(ours)
    for code in (used, unused, for_friend):
        with pytest.raises((NotFound, Expired)):
            await actions.accept_invitation(code, PASSWORD, "en", form=form)
    with pytest.raises(NotAllowed):
        await actions.sign_in(EVE, PASSWORD)
    for attempt in (
        ending.remove_colleague(partner, claire, by=eve),
        ending.set_role(partner, eve, "administrator", by=eve),
        invite(partner, FRIEND, by=eve),
    ):
        with pytest.raises(NotAllowed):
            await attempt
    # What was on its way while she was removed is of no use either.
    with pytest.raises(NotAllowed):
        await create_session(eve)
    late = await key_actions.create_key(partner, "late", key_id=uuid.uuid4(), session="s", owner=eve)
    assert late
    assert await actor_of_key(late) is None


async def test_what_a_former_colleague_had_sent_to_their_own_addresses_ends_with_notice() -> None:
    partner, claire = await make_partner(), await person_of("claire@atelier.example")
    eve = await join(partner, EVE)
    for owner in (claire, eve):
        await execute(
            """INSERT INTO webhook_endpoint (id, partner, owner, url, created_at)
               VALUES (gen_random_uuid(), $1, $2::uuid, 'https://' || $2::uuid || '.example', now())""",
            partner,
            owner,
        )
    await execute(
        """INSERT INTO partner_bucket (id, partner, owner, endpoint, region, bucket, key_id, sealed, added_at)
           VALUES (gen_random_uuid(), $1, $2, 'https://s3.example', '', 'eves', 'key', 'sealed', now())""",
        partner,
        eve,
    )
    await ending.remove_colleague(partner, eve, by=claire)
    assert [row["owner"] for row in await fetch("SELECT owner FROM webhook_endpoint WHERE disabled_at IS NULL")] == [
        claire
    ]
    assert await fetch_value("SELECT count(*) FROM partner_bucket WHERE disabled_at IS NULL OR sealed <> ''") == 0
    notified = await fetch("SELECT kind, recipient, details FROM message WHERE kind LIKE '%_left' ORDER BY kind")
    assert [(row["kind"], row["recipient"]) for row in notified] == [
        ("bucket_left", str(partner)),
        ("webhook_left", str(partner)),
    ]


async def test_a_former_colleague_may_be_invited_again_as_somebody_new() -> None:
    partner, claire = await make_partner(), await person_of("claire@atelier.example")
    eve = await join(partner, EVE)
    await ending.remove_colleague(partner, eve, by=claire)
    again = await join(partner, EVE)
    assert again != eve
    assert (await actions.sign_in(EVE, PASSWORD)).id == again


async def done_of_all(*attempts: object) -> list[bool]:
    """Do everything at once; return which was done, where the others were refused."""
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)  # type: ignore[call-overload]
    assert all(not isinstance(outcome, BaseException) or isinstance(outcome, Refusal) for outcome in outcomes), outcomes
    return [not isinstance(outcome, Refusal) for outcome in outcomes]


@pytest.mark.parametrize("ways", ["remove remove", "remove step-down", "step-down step-down", "erase step-down"])
async def test_two_administrators_who_go_at_once_leave_one(ways: str) -> None:
    partner, claire, eve = await make_administrators()
    await join(partner, "max@atelier.example")
    one, other = ways.split()
    do = {
        "remove": lambda person, by: ending.remove_colleague(partner, person, by=by),
        "step-down": lambda _, by: ending.set_role(partner, by, "buyer", by=by),
        "erase": lambda _, by: actions.erase_person(by),
    }
    done = await done_of_all(do[one](eve, claire), do[other](claire, eve))
    assert sum(done) == 1 or (all(done) and ways == "remove step-down")  # who has stepped down may be removed
    left = "SELECT count(*) FROM person WHERE partner = $1 AND ended_at IS NULL AND company_role = 'administrator'"
    assert await fetch_value(left, partner) == 1


async def test_the_last_administrator_stays_as_long_as_there_are_members() -> None:
    partner, claire = await make_partner(), await person_of("claire@atelier.example")
    max_ = await join(partner, "max@atelier.example")
    for attempt in (
        ending.remove_colleague(partner, claire, by=claire),
        ending.set_role(partner, claire, "buyer", by=claire),
        actions.erase_person(claire),
    ):
        with pytest.raises(Conflict):
            await attempt
    await ending.remove_colleague(partner, max_, by=claire)
    with pytest.raises(Conflict):
        await ending.remove_colleague(partner, claire, by=claire)
    key = await key_actions.create_key(partner, "hers", key_id=uuid.uuid4(), session="s", owner=claire)
    await actions.erase_person(claire)
    assert key
    assert await actor_of_key(key) is None, "the key of the only person of a company ends with them"


async def test_a_company_sends_no_flood_of_mail_to_strangers() -> None:
    """Anybody signs a company up, calls it as they like, and invites any address."""
    partner = await make_partner()
    claire = await person_of("claire@atelier.example")
    for number in range(actions.MOST_INVITATIONS):
        await invite(partner, f"somebody{number}@elsewhere.example", claire)
    with pytest.raises(Conflict, match="open invitations"):
        await invite(partner, "one.more@elsewhere.example", claire)
    assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'invitation'") == actions.MOST_INVITATIONS
    with clock.shifted(dt.timedelta(days=actions.INVITATION_DAYS)):
        await invite(partner, "one.more@elsewhere.example", claire)


async def test_a_member_changes_nobodys_access_but_their_own() -> None:
    partner, claire = await make_partner(), await person_of("claire@atelier.example")
    await join(partner, EVE)
    stranger = await make_partner("Rival", "rita@rival.example")
    hers = uuid.uuid4()
    await key_actions.create_key(partner, "hers", key_id=hers, session="s", owner=claire)
    async with Browser() as eve, Browser() as rita:
        await eve.sign_in(EVE)
        await rita.sign_in("rita@rival.example")
        for path in (f"/en/company/people/{claire}/remove", f"/en/company/people/{claire}/role"):
            assert (await eve.submit(path, {})).status_code == 403
            assert (await rita.submit(path, {})).status_code == 404
        assert (await eve.submit("/en/company/people", {"name": "F", "email": FRIEND})).status_code == 403
        for way in ("revoke", "rotate"):
            assert (await eve.submit(f"/en/keys/{hers}/{way}", {})).status_code == 403
            assert (await rita.submit(f"/en/keys/{hers}/{way}", {})).status_code == 404
        assert "Invite a colleague" not in (await eve.get("/en/company")).text
        assert "Invite a colleague" in (await rita.get("/en/company")).text
    assert await fetch_value("SELECT count(*) FROM person WHERE partner = $1", stranger) == 1
