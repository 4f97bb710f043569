"""A spending limit: written by an owner, noted in the trail, and what its rules allow."""

import asyncio
import datetime as dt
import json
import uuid

import asyncpg
import pytest

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Invalid, NotAllowed, NotFound
from marketplace.core.web.formats import PARIS
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.key_actions import create_key
from marketplace.people.spending.actions import revoke_limit, spend, write_limit
from marketplace.people.spending.rules import (
    BeyondLimit,
    LockedLimit,
    NeedsApproval,
    Purchase,
    Spender,
    Terms,
    check,
    month_of,
)
from tests.people.builders import add_person, allow, make_partner, spender_for
from tests.support.reads import fetch, fetch_value

DAY, SECOND = dt.timedelta(days=1), dt.timedelta(seconds=1)


def limit_terms(order_minor: int = 100, month_minor: int = 1_000, days: int = 30) -> Terms:
    return Terms(order_minor, month_minor, ["lyon"], [], clock.now() + days * DAY)


async def test_an_owner_writes_and_revokes_limits_and_the_trail_says_so() -> None:
    partner, key = await make_partner(), uuid.uuid4()
    await create_key(partner, "erp", key_id=key, session="s")
    owner = Actor(name="Claire", person=(await spender_for(partner)).person, partner=partner)
    member = await add_person("Eve", partner=partner)
    await execute("UPDATE person SET company_role = 'buyer' WHERE id = $1", member)
    for holder in (key, member):
        await write_limit(owner, holder, limit_terms())
        await write_limit(owner, holder, limit_terms(200))
    assert await fetch_value("SELECT count(*) FROM spending_limit WHERE order_minor = 200") == 2
    await revoke_limit(owner, key)
    await revoke_limit(owner, key)
    noted = await fetch("SELECT person, verb, subject, after FROM staff_action WHERE verb LIKE 'spending%' ORDER BY id")
    verbs = ["spending_limit_written"] * 4 + ["spending_limit_revoked"]
    assert [(row["person"], row["verb"]) for row in noted] == [(owner.person, verb) for verb in verbs]
    assert (noted[1]["subject"], json.loads(noted[1]["after"])["order_minor"]) == (str(key), 200)
    with pytest.raises(NotAllowed):
        await write_limit(
            Actor(name="Eve", person=member, partner=partner, company_role="buyer"), member, limit_terms()
        )
    with pytest.raises(NotAllowed):
        await revoke_limit(Actor(name="Eve", person=member, partner=partner, company_role="buyer"), key)
    other = await make_partner("Rival", "eve@rival.example")
    stranger = Actor(name="Eve", person=(await spender_for(other)).person, partner=other)
    with pytest.raises(NotFound):
        await write_limit(stranger, key, limit_terms())
    with pytest.raises(NotFound):
        await revoke_limit(stranger, member)
    for odd in (
        limit_terms(0),
        limit_terms(2_000),
        limit_terms(days=0),
        limit_terms(days=800),
        limit_terms(month_minor=10**13),
    ):
        with pytest.raises(Invalid):
            await write_limit(owner, key, odd)


async def test_what_is_spent_never_exceeds_the_ceiling_even_beneath_the_rules() -> None:
    partner, key = await make_partner(), uuid.uuid4()
    await create_key(partner, "erp", key_id=key, session="s")
    await allow(partner, key, order_minor=100, month_minor=100)
    limit, month = await fetch_value("SELECT id FROM spending_limit"), month_of(clock.now())
    await execute("INSERT INTO spending_month VALUES (gen_random_uuid(), $1, $2, 0, 100)", limit, month)
    with pytest.raises(asyncpg.CheckViolationError, match="within_the_ceiling"):
        await execute("UPDATE spending_month SET spent_minor = 101")
    await execute("UPDATE spending_month SET spent_minor = 80")
    await allow(partner, key, order_minor=50, month_minor=50)
    assert await fetch_value("SELECT ceiling_minor FROM spending_month") == 80, "what was spent stays spent"
    await execute("UPDATE spending_month SET spent_minor = 0")


async def test_what_needs_no_approval_is_counted_over_two_months_at_once() -> None:
    partner, key = await make_partner(), uuid.uuid4()
    await create_key(partner, "erp", key_id=key, session="s")
    await allow(partner, key, approval_minor=150)
    today = clock.now().astimezone(PARIS)
    midnight = dt.datetime(today.year + today.month // 12, today.month % 12 + 1, 1, tzinfo=PARIS)
    is_counted, may_end = asyncio.Event(), asyncio.Event()

    async def before() -> None:
        async with transaction():
            await spend(Spender(partner, key=key), Purchase(uuid.uuid4(), 100, [], []), midnight - SECOND)
            is_counted.set()
            await may_end.wait()

    async def after() -> None:
        await is_counted.wait()
        async with transaction():
            await spend(Spender(partner, key=key), Purchase(uuid.uuid4(), 100, [], []), midnight + SECOND)

    first, second = asyncio.create_task(before()), asyncio.create_task(after())
    await is_counted.wait()
    done, _ = await asyncio.wait([second], timeout=0.3)
    may_end.set()
    await first
    assert not done, "it waits for what the month before is spending"
    with pytest.raises(NeedsApproval):
        await second


NOW = dt.datetime(2026, 12, 31, 22, 59, tzinfo=dt.UTC)
LIMIT = LockedLimit(1, None, uuid.uuid4(), 100, 150, 0, ["lyon"], ["presence.statistics"], NOW + DAY)


@pytest.mark.parametrize(
    ("changed", "amount", "dataset", "purpose", "why"),
    [
        ({}, 100, "lyon", "presence.statistics", ""),
        ({}, 101, "lyon", "presence.statistics", "an order"),
        ({"left_minor": 99}, 100, "lyon", "presence.statistics", "left this month"),
        ({"left_minor": 0, "reserved_minor": 100}, 100, "lyon", "presence.statistics", ""),
        ({}, 1, "paris", "presence.statistics", "dataset"),
        ({}, 1, "lyon", "mobility.statistics", "purpose"),
        ({"datasets": [], "purposes": []}, 1, "paris", "mobility.statistics", ""),
        ({"ends_at": NOW}, 1, "lyon", "presence.statistics", "ended"),
        ({"spending_limit": None}, 1, "lyon", "presence.statistics", "No spending limit"),
        ({"spending_limit": None, "is_owner": False}, 1, "lyon", "presence.statistics", "No spending limit"),
        ({"spending_limit": None, "is_owner": True}, 10**9, "lyon", "presence.statistics", ""),
        ({"approval_minor": 50, "unapproved_minor": 40}, 10, "lyon", "presence.statistics", ""),
        ({"approval_minor": 50, "unapproved_minor": 41}, 10, "lyon", "presence.statistics", "without approval"),
    ],
)
def test_the_rules(changed: dict[str, object], amount: int, dataset: str, purpose: str, why: str) -> None:
    limit = LockedLimit(**({name: getattr(LIMIT, name) for name in LockedLimit.__struct_fields__} | changed))
    purchase = Purchase(uuid.uuid4(), amount, [dataset], [purpose])
    if not why:
        check(limit, purchase, NOW)
        return
    with pytest.raises(BeyondLimit, match=why):
        check(limit, purchase, NOW)


def test_a_month_is_that_of_paris() -> None:
    assert month_of(NOW) == dt.date(2026, 12, 1)
    assert month_of(NOW + dt.timedelta(minutes=1)) == dt.date(2027, 1, 1)
