"""Consent: who consents to what at an instant, against a ten-line model; receipts; rows that never change."""

import datetime as dt
import hashlib
import json
import uuid
from importlib.resources import files

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace.consent.purposes import actions, queries
from marketplace.consent.purposes.in_force import consent_in_force
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.instants import FOREVER_US, microseconds
from marketplace.core.settings import settings as read_settings
from marketplace.core.signing import public_key, verify
from marketplace.core.statements import read_blocks
from marketplace.people.identity import actions as identity
from tests.consent.builders import explain_purpose
from tests.people.builders import kinds_written
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value

T0 = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PURPOSE = "presence.statistics"
INTERVALS = next(
    block.sql
    for block in read_blocks((files("marketplace.consent.purposes") / "queries.sql").read_text(), "queries.sql")
    if block.name == "intervals"
)
Words = list[tuple[int, int, bool]]
"""(subscriber, hour, given), in the order they are written."""


def hour(number: float) -> dt.datetime:
    return T0 + dt.timedelta(hours=number)


def model(words: Words) -> set[tuple[int, int, float]]:
    """Return the intervals: words by instant, the later written last; a withdrawal ends, a gift opens."""
    intervals, since = set(), dict[int, int]()
    for who, when, yes in sorted(words, key=lambda word: word[1]):
        if yes:
            since.setdefault(who, when)
        elif who in since:
            began = since.pop(who)
            intervals |= {(who, began, when)} if began < when else set()
    return intervals | {(who, began, float("inf")) for who, began in since.items()}


@pytest.mark.long
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from((0, 3, 6)), st.booleans()), max_size=14))
async def test_intervals_equal_the_model(words: Words) -> None:
    """Two people speak at three instants: a fifth of such stories convict any fault that was planted."""
    try:
        async with transaction():
            await explain_purpose(T0, lines=range(4))
            for who, when, yes in words:
                await (actions.give if yes else actions.withdraw)(who, PURPOSE, at=hour(when))
            rows = await fetch(
                f"""SELECT subscriber, valid_from, nullif(valid_to, 'infinity') AS ends
                    FROM ({INTERVALS}) AS interval""",
                PURPOSE,
            )
            found = {
                (
                    row["subscriber"],
                    (row["valid_from"] - T0) / dt.timedelta(hours=1),
                    (row["ends"] - T0) / dt.timedelta(hours=1) if row["ends"] else float("inf"),
                )
                for row in rows
            }
            assert found == model(words)
            for instant in (0, 0.5, 3, 3.5, 6, 7):
                found_then = await consent_in_force(PURPOSE, hour(instant))
                around = sorted(one for one in model(words) if one[1] <= instant < one[2])
                assert found_then.lines.tolist() == [who for who, _, _ in around]
                assert found_then.from_us.tolist() == [microseconds(hour(began)) for _, began, _ in around]
                ends = [FOREVER_US if ended == float("inf") else microseconds(hour(ended)) for _, _, ended in around]
                assert found_then.until_us.tolist() == ends
            await execute("SET CONSTRAINTS ALL IMMEDIATE")
            raise _Undo  # noqa: TRY301 (how a transaction is undone)
    except _Undo:
        pass


class _Undo(Exception):  # noqa: N818 (it is no error)
    """Roll the example back."""


async def test_a_consent_given_back_at_the_instant_of_its_withdrawal_starts_anew() -> None:
    await explain_purpose(T0, lines=range(4))
    await actions.give(1, PURPOSE, at=hour(0))
    await actions.withdraw(1, PURPOSE, at=hour(2))
    await actions.give(1, PURPOSE, at=hour(2))
    found = await consent_in_force(PURPOSE, hour(3))
    assert (found.from_us.tolist(), found.until_us.tolist()) == ([microseconds(hour(2))], [FOREVER_US])


async def test_receipts_are_signed_and_say_which_words_were_shown() -> None:
    await explain_purpose(T0, lines=range(4))
    first = await actions.give(1, PURPOSE, at=hour(1))
    await actions.publish_notice(PURPOSE, text_fr="On compte mieux.", text_en="We count better.", at=hour(2))
    second = await actions.withdraw(1, PURPOSE, at=hour(3))
    key = public_key(read_settings().signing_key)
    for receipt, version, kind in ((first, 1, "consent given"), (second, 2, "consent withdrawn")):
        document, signature = await queries.get_signed_receipt(receipt, 1)
        signed = json.loads(document)
        assert (signed["receipt"], signed["notice_version"], signed["kind"]) == (str(receipt), version, kind)
        assert verify(document, signature, key)
        assert not verify(document.replace(b"consent", b"Consent"), signature, key)
        assert (document, signature) == await queries.get_signed_receipt(receipt)
    with pytest.raises(NotFound):
        await queries.get_receipt(first, subscriber=2)
    assert [row.receipt for row in (await queries.list_receipts(1)).rows] == [second, first]
    (choice,) = await queries.list_choices(1)
    assert (choice.given, choice.receipt, choice.version) == (False, second, 2)


async def test_the_same_form_twice_is_one_record() -> None:
    await explain_purpose(T0, lines=range(4))
    receipt = await actions.give(1, PURPOSE)
    assert await actions.give(1, PURPOSE, receipt=receipt) == receipt
    assert await fetch_value("SELECT count(*) FROM consent_record") == 1
    with pytest.raises(Conflict):
        await actions.withdraw(1, PURPOSE, receipt=receipt)
    with pytest.raises(Conflict):
        await actions.give(2, PURPOSE, receipt=receipt)


async def test_rows_are_never_edited() -> None:
    await explain_purpose(T0, lines=range(4))
    await actions.give(1, PURPOSE)
    for sql in ("UPDATE consent_record SET given = false", "DELETE FROM consent_record", "DELETE FROM notice"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_owner(sql)


async def test_what_cannot_be_consented_to_is_refused() -> None:
    await explain_purpose(T0, lines=range(4))
    await actions.define_purpose("flows", "transport", title_fr="Flux", title_en="Flows")
    with pytest.raises(Conflict, match="No notice explains"):
        await actions.give(1, "flows.transport")
    with pytest.raises(NotFound, match="no purpose"):
        await actions.give(1, "nothing.known")
    with pytest.raises(NotFound, match="no such line"):
        await actions.give(99, PURPOSE)
    with pytest.raises(Conflict, match="future"):
        await actions.give(1, PURPOSE, at=dt.datetime(2999, 1, 1, tzinfo=dt.UTC))
    with pytest.raises(Invalid):
        await actions.define_purpose("a.b", "c", title_fr="", title_en="")
    with pytest.raises(Invalid):
        await actions.publish_notice(PURPOSE, text_fr=" ", text_en="x")
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await actions.give_many(PURPOSE, [1, 99], hour(1))
    assert await fetch_value("SELECT count(*) FROM consent_record") == 0


async def test_a_notice_that_asks_anew_ends_consent_given_before_it() -> None:
    await explain_purpose(T0, lines=range(4))
    await actions.give(1, PURPOSE, at=hour(1))
    await actions.give(2, PURPOSE, at=hour(1))
    await actions.withdraw(2, PURPOSE, at=hour(2))
    await actions.publish_notice(PURPOSE, text_fr="Plus clair.", text_en="Clearer.", at=hour(3))
    assert (await consent_in_force(PURPOSE, hour(4))).lines.tolist() == [1], "a wording ends nothing"
    await actions.publish_notice(PURPOSE, text_fr="Autre chose.", text_en="Something else.", at=hour(5), asks_anew=True)
    assert (await consent_in_force(PURPOSE, hour(5))).lines.tolist() == []
    assert (await consent_in_force(PURPOSE, hour(4))).until_us.tolist() == [microseconds(hour(5))]
    (choice,) = await queries.list_choices(1)
    assert (choice.given, choice.is_asked_anew, choice.version) == (False, True, 3)
    (other,) = await queries.list_choices(2)
    assert (other.given, other.is_asked_anew) == (False, False), "who withdrew is not asked"

    await actions.give(1, PURPOSE, at=hour(6))
    found = await consent_in_force(PURPOSE, hour(7))
    assert found.from_us.tolist() == [microseconds(hour(6))], "earlier events never return"
    assert found.until_us.tolist() == [FOREVER_US]
    (choice,) = await queries.list_choices(1)
    assert (choice.given, choice.is_asked_anew) == (True, False)


async def test_the_same_notice_twice_is_one_version() -> None:
    await explain_purpose(T0, lines=range(4))
    form = uuid.uuid4()
    for _ in range(2):
        assert await actions.publish_notice(PURPOSE, text_fr="Neuf.", text_en="New.", notice=form) == form
    assert [row.version for row in await queries.list_notices(PURPOSE)] == [2, 1]
    with pytest.raises(Conflict, match="another text"):
        await actions.publish_notice(PURPOSE, text_fr="Neuf.", text_en="Newer.", notice=form)
    with pytest.raises(Conflict, match="another title"):
        await actions.define_purpose("presence", "statistics", title_fr="Autre", title_en="Other")


async def test_a_receipt_names_its_channel() -> None:
    await explain_purpose(T0, lines=range(4))
    contract = await actions.give(1, PURPOSE, at=hour(1), channel="contract", receipt=uuid.UUID(int=1))
    document, _ = await queries.get_signed_receipt(contract)
    assert document == (
        b'{"at":"2026-01-01T01:00:00.000000+00:00","channel":"contract","kind":"consent given","notice_sha256":["'
        + hashlib.sha256(b"On compte.").hexdigest().encode()
        + b'","'
        + hashlib.sha256(b"We count.").hexdigest().encode()
        + b'"],"notice_version":1,"purpose":"presence.statistics","receipt":"00000000-0000-0000-0000-000000000001",'
        b'"subscriber":"1","version":2}'
    )
    shop = await actions.withdraw(1, PURPOSE, at=hour(2), channel="shop")
    signed = json.loads((await queries.get_signed_receipt(shop))[0])
    assert (signed["version"], signed["channel"]) == (2, "shop")
    assert [row.channel for row in (await queries.list_receipts(1)).rows] == ["shop", "contract"]
    (choice,) = await queries.list_choices(1)
    assert choice.where
    assert (choice.where.fr, choice.where.en) == ("en boutique", "in a shop")
    with pytest.raises(asyncpg.CheckViolationError):
        async with transaction():
            await actions.give(1, PURPOSE, channel="carrier pigeon")


async def test_the_notice_that_was_shown_is_the_one_recorded() -> None:
    await explain_purpose(T0, lines=range(4))
    await actions.publish_notice(PURPOSE, text_fr="On compte mieux.", text_en="We count better.", at=hour(2))
    old = await actions.give(1, PURPOSE, at=hour(3), channel="shop", version=1)
    assert (await queries.get_receipt(old)).version == 1
    assert await actions.give(1, PURPOSE, at=hour(3), channel="shop", version=1, receipt=old) == old
    for other in ({"version": 2}, {"channel": "app"}, {"at": hour(4)}):
        with pytest.raises(Conflict, match="says something else"):
            await actions.give(1, PURPOSE, **({"at": hour(3), "channel": "shop", "version": 1} | other), receipt=old)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="after that instant"):
        await actions.give(1, PURPOSE, at=hour(1), version=2)
    with pytest.raises(Invalid, match="no notice of version 3"):
        await actions.give(1, PURPOSE, version=3)
    await actions.publish_notice(PURPOSE, text_fr="Autre.", text_en="Other.", at=hour(5), asks_anew=True)
    with pytest.raises(Conflict, match="asks again"):
        await actions.give(1, PURPOSE, at=hour(6), version=2)
    await actions.withdraw(1, PURPOSE, at=hour(6), version=2)


async def test_those_with_an_account_are_notified_when_they_are_asked_anew() -> None:
    await explain_purpose(T0, lines=range(4))
    [(line, code)] = await identity.issue_activation_codes([1])
    await identity.claim_line(line, code, email="lucie@people.example", name="Lucie", password="a rather long sentence")
    for who in (1, 2):
        await actions.give(who, PURPOSE, at=hour(1))
    await actions.publish_notice(PURPOSE, text_fr="Plus clair.", text_en="Clearer.")
    assert "consent_asked_anew" not in await kinds_written()
    await actions.publish_notice(PURPOSE, text_fr="Autre chose.", text_en="Something else.", asks_anew=True)
    assert (await kinds_written()).count("consent_asked_anew") == 1
