"""The subscribers' auction: one price per group within its budget, private, without consequence, and a promise that is kept."""

import asyncio
import datetime as dt
import shutil
import uuid
from pathlib import Path

import asyncpg
import msgspec
import numpy as np
import pytest

from marketplace.core import clock, sealing
from marketplace.core.database import execute, is_in_transaction
from marketplace.core.errors import Conflict, Expired, Invalid, NotFound
from marketplace.core.settings import settings
from marketplace.datasets.population.subscriber_registry import refuse_without_table
from marketplace.sales.auctions import reverse_actions, reverse_queries, reverse_rules
from marketplace.sales.auctions.reverse_award import award_auctions
from marketplace.sales.auctions.reverse_rules import Stratum, Timing, ask_id
from pricing.auctions.reverse import ReverseAward, uniform_asks_within, winners_of
from tests.catalogue.builders import charge_at_least
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.sales.builders.auctions import (
    ADULTS,
    DAY,
    end_reverse_auction,
    ingest_bands,
    make_offer,
    make_subscriber,
    open_reverse_auction,
)
from tests.support.reads import fetch, fetch_one, fetch_value


async def outcomes_of_asks() -> dict[int, str]:
    """Return what became of each subscriber's ask."""
    rows = await fetch(
        """SELECT subscriber, outcome.reason FROM reverse_auction_outcome AS outcome
           JOIN reverse_auction_ask AS ask ON ask.id = outcome.ask ORDER BY subscriber"""
    )
    return {row["subscriber"]: row["reason"] for row in rows}


async def test_the_lowest_asks_win_one_price_which_is_promised() -> None:
    call, [stratum] = await open_reverse_auction()
    for person, least in enumerate((1_000_000, 3_000_000, 2_000_000, 2_500_000)):
        await reverse_actions.ask(person, call, stratum, least_micro=least)
    await reverse_actions.ask(1, call, stratum, least_micro=500_000)
    await reverse_actions.ask(4, call, stratum, least_micro=1)
    await reverse_actions.withdraw(4, call)
    shown = await fetch("SELECT reverse_auction_ask::text AS text, length(sealed) AS size FROM reverse_auction_ask")
    assert not any("500000" in row["text"] for row in shown)
    assert {row["size"] for row in shown} == {0, 112}, "withdrawn is erased, and lengths reveal nothing"
    assert await award_auctions() == 0
    await end_reverse_auction(call)
    assert sum(await asyncio.gather(*(asyncio.create_task(award_auctions()) for _ in range(4)))) == 1
    assert await outcomes_of_asks() == {0: "won", 1: "won", 2: "over_quota", 3: "over_quota"}
    found = await fetch_one("SELECT winners, price_micro FROM reverse_auction_stratum")
    assert found
    assert (found["winners"], found["price_micro"]) == (2, 2_000_000), "the first ask that did not win"
    term = await fetch_one("SELECT * FROM contributor_term")
    assert term
    assert (term["id"], term["promised_minor"]) == (call, 1_000)
    promises = await fetch("SELECT subscriber, minimum_micro FROM contributor_promise ORDER BY subscriber")
    assert [tuple(row) for row in promises] == [(0, 2_000_000), (1, 2_000_000)]
    with pytest.raises(Expired):
        await reverse_actions.ask(0, call, stratum, least_micro=1)
    with pytest.raises(Expired):
        await reverse_actions.withdraw(0, call)
    for statement in (
        "UPDATE reverse_auction_outcome SET reason = 'won'",
        "INSERT INTO contributor_promise (term, subscriber, minimum_micro) VALUES (gen_random_uuid(), 2, 1)",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await execute(statement)


async def test_each_group_has_its_own_price_within_its_budget(tmp_path: Path) -> None:
    await make_offer()
    await execute("UPDATE dataset SET age_bands = '{18-39,40+}'")
    await ingest_bands(tmp_path, {line: "18-39" if line < 4 else "40+" for line in range(8)})
    young = Stratum("Jeunes", "Young", 5, 4_000_000, 4_000_000, ["18-39"])
    old = Stratum("Âgés", "Old", 5, 9_000_000, 3_000_000, ["40+"])
    for other in (msgspec.structs.replace(old, age_bands=[]), msgspec.structs.replace(old, age_bands=["18-39"])):
        with pytest.raises(Invalid, match="by their own word"):
            await open_reverse_auction(strata=[young, other], people=8)
    call, strata = await open_reverse_auction(strata=[young, old], people=8)
    for person, least in enumerate((1_000_000, 1_500_000, 1_900_000, 3_000_000)):
        await reverse_actions.ask(person, call, strata[0], least_micro=least)
    for person, least in enumerate((1_000_000, 2_000_000), 4):
        await reverse_actions.ask(person, call, strata[1], least_micro=least)
    with pytest.raises(reverse_rules.AskAboveMost):
        await reverse_actions.ask(6, call, strata[1], least_micro=3_500_000)
    await end_reverse_auction(call)
    await award_auctions()
    found = await fetch("SELECT winners, price_micro FROM reverse_auction_stratum ORDER BY position")
    assert [tuple(row) for row in found] == [(2, 1_900_000), (2, 3_000_000)]
    assert await outcomes_of_asks() == {
        0: "won",
        1: "won",
        2: "over_budget",
        3: "over_budget",
        4: "won",
        5: "won",
    }
    assert await fetch_value("SELECT promised_minor FROM contributor_term") == 1_300, "two and two look like a hundred"


async def test_the_operators_table_decides_who_is_of_a_group_of_ages(tmp_path: Path) -> None:
    await make_offer()
    await execute("UPDATE dataset SET age_bands = '{18-39,40+}'")
    young = Stratum("18-39 ans", "18-39", 2, 10_000_000, 4_000_000, ["18-39"])
    anyone = Stratum("40 ans et plus", "40 and over", 2, 10_000_000, 4_000_000, ["40+"])
    with pytest.raises(Conflict, match="no table of subscribers"):
        await open_reverse_auction(strata=[young, anyone])
    await ingest_bands(tmp_path, {0: "18-39", 1: "40+", 2: "18-39", 3: "18-39", 5: "40+"})
    with pytest.raises(Invalid, match="declares"):
        await open_reverse_auction(strata=[msgspec.structs.replace(young, age_bands=["99"])])
    call, [group, cyclists] = await open_reverse_auction(strata=[young, anyone], people=7)
    # The second is older than it says, and the fifth nobody the operator knows: neither wins, nor sets the price.
    for person, least in enumerate((1_000_000, 1, 2_000_000, 3_000_000, 2)):
        await reverse_actions.ask(person, call, group, least_micro=least)
    await reverse_actions.ask(5, call, cyclists, least_micro=4)
    with pytest.raises(asyncpg.PostgresError):
        await execute("UPDATE reverse_auction_stratum SET age_bands = '{}'")
    await end_reverse_auction(call)
    assert await award_auctions() == 1
    assert await outcomes_of_asks() == {
        0: "won",
        1: "not_of_group",
        2: "won",
        3: "over_quota",
        4: "not_of_group",
        5: "won",
    }
    found = await fetch("SELECT winners, price_micro FROM reverse_auction_stratum ORDER BY position")
    assert [tuple(row) for row in found] == [(2, 3_000_000), (1, 4_000_000)]
    await make_subscriber(1)
    async with Browser() as ada:
        await ada.sign_in("ada@line.example")
        shown = page_text(await ada.get(f"/en/calls/{call}"))
        for sentence in (
            "does not have you in the age group",
            "operator’s own register decides",
            "ages 18-39",
            "does not say whose several lines are",
        ):
            assert sentence in shown


async def test_the_store_is_asked_for_its_table_before_the_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    look = refuse_without_table

    def noted() -> None:
        asked.append(is_in_transaction())
        look()

    await make_offer()
    await execute("UPDATE dataset SET age_bands = '{18-39}'")
    await ingest_bands(tmp_path, {0: "18-39"})
    monkeypatch.setattr(reverse_actions, "refuse_without_table", noted)
    await open_reverse_auction(strata=[msgspec.structs.replace(ADULTS, age_bands=["18-39"])])
    assert asked == [False], "a slow store holds no connection"


async def test_without_the_operators_table_a_call_waits(tmp_path: Path) -> None:
    await make_offer()
    await execute("UPDATE dataset SET age_bands = '{18-39}'")
    await ingest_bands(tmp_path, {0: "18-39"})
    call, [group] = await open_reverse_auction(strata=[msgspec.structs.replace(ADULTS, age_bands=["18-39"])])
    await reverse_actions.ask(0, call, group, least_micro=5)
    await end_reverse_auction(call)
    kept = settings().state / "objects"
    kept.rename(tmp_path / "aside")
    assert await award_auctions() == 0
    shutil.rmtree(kept, ignore_errors=True)
    (tmp_path / "aside").rename(kept)
    assert await award_auctions() == 1


async def test_bad_input_and_what_was_announced_stays() -> None:
    call, [stratum] = await open_reverse_auction()
    for bad in (-1, 10**12):
        with pytest.raises(Invalid):
            await reverse_actions.ask(0, call, stratum, least_micro=bad)
    with pytest.raises(NotFound):
        await reverse_actions.ask(0, call, uuid.uuid4(), least_micro=5)
    with pytest.raises(NotFound):
        await reverse_actions.ask(0, uuid.uuid4(), stratum, least_micro=5)
    now = clock.now()
    dataset = await fetch_value("SELECT code FROM dataset")
    times = {
        "opens_at": now + DAY,
        "closes_at": now + 2 * DAY,
        "promise_from": now + 2 * DAY,
        "promise_to": now + 3 * DAY,
    }
    for strata, changes in (
        ([], {}),
        ([ADULTS] * 51, {}),
        ([Stratum("", "x", 1, 9, 1)], {}),
        ([Stratum("x", "x", 0, 9, 1)], {}),
        ([Stratum("x", "x", 1, 9, 10)], {}),
        ([Stratum("x", "x", 1, 9, 0)], {}),
        ([Stratum("x", "x", 2**31, 9, 1)], {}),
        ([ADULTS], {"closes_at": now}),
        ([ADULTS], {"promise_from": now + DAY}),
        ([ADULTS], {"promise_to": now + DAY}),
    ):
        with pytest.raises(Invalid):
            await reverse_actions.announce(dataset, strata, by="Steward", timing=Timing(**(times | changes)))
    with pytest.raises(NotFound):
        await reverse_actions.announce("nowhere", [ADULTS], by="Steward", fewest=1, timing=Timing(**times))
    for few in (Stratum("x", "x", 99, 10**9, 1), Stratum("x", "x", 100, 10**9, 10**7 + 1), ADULTS):
        with pytest.raises(Invalid, match="would show what one of them asked"):
            await reverse_actions.announce(dataset, [few], by="Steward", timing=Timing(**times))
    await reverse_actions.announce(
        dataset, [Stratum("x", "x", 100, 10**9, 10**7)], by="Steward", timing=Timing(**times)
    )
    later = await reverse_actions.announce(dataset, [ADULTS], by="Steward", fewest=1, timing=Timing(**times))
    group = await fetch_value("SELECT id FROM reverse_auction_stratum WHERE auction = $1", later)
    assert group
    with pytest.raises(Conflict):
        await reverse_actions.ask(0, later, group, least_micro=5)
    for statement in (
        "UPDATE reverse_auction_stratum SET budget_micro = budget_micro + 1",
        "UPDATE reverse_auction_stratum SET wanted = 9",
        "UPDATE reverse_auction SET closes_at = closes_at + interval '1 day'",
        "DELETE FROM reverse_auction_stratum",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await execute(statement)


async def answer_call(call: uuid.UUID, stratum: uuid.UUID, people: range) -> None:
    """Let lines state five micro-euros, without their sessions."""
    key = sealing.public_key(settings().bid_key)
    for person in people:
        row = ask_id(call, person)
        await execute(
            """INSERT INTO reverse_auction_ask (id, stratum, auction, subscriber, sealed, asked_at)
               VALUES ($1, $2, $3, $4, $5, clock_timestamp())""",
            row,
            stratum,
            call,
            person,
            sealing.seal({"least_micro": 5}, row, key, padded_to=64),
        )


async def test_counts_are_published_once_with_noise_and_never_below_a_hundred() -> None:
    """While a call is open nothing says how many answered; what is published at its end is not the exact number."""
    counts, budget = [], 10**9
    for people in (380, 380, 380, 380, 2):
        stated = [Stratum("Tous", "All", 400, budget, 1_000_000)]
        call, [stratum] = await open_reverse_auction(strata=stated, people=400 if not counts else 0)
        before = await reverse_queries.get_auction(0, call)
        await answer_call(call, stratum, range(people))
        seen = await reverse_queries.get_auction(0, call)
        assert seen.strata == before.strata, "one's own answer is all that an answer changes"
        await end_reverse_auction(call)
        await award_auctions()
        [row, *_] = (await reverse_queries.list_auctions(None, 1)).rows
        counts.append((row.strata[0].answered_about, row.strata[0].winners_about))
        promised = await fetch_value("SELECT promised_minor FROM contributor_term WHERE id = $1", call)
        if people > 2:
            assert 5 * people <= promised * 10_000
    few = row
    assert few.strata[0].winners_about is None, "two winners are too few to show"
    assert few.strata[0].price_shown_micro is None, "a price would say that somebody accepted it"
    assert few.answered_about == 0
    own = (await reverse_queries.get_auction(0, call)).own
    assert own is not None
    assert own.price_micro, "a person who stated an amount learns what came of it"
    assert all(280 < count < 480 for pair in counts[:-1] for count in pair if count), (
        "noise passes 100 once in 10**11 times"
    )
    assert {count for pair in counts[:-1] for count in pair} != {380}, (
        "eight exact counts come of it once in 10**7 times"
    )


async def test_someone_who_states_twice_at_once_has_one_ask_that_opens() -> None:
    call, [stratum] = await open_reverse_auction()
    await asyncio.gather(
        *(asyncio.create_task(reverse_actions.ask(1, call, stratum, least_micro=7 * least)) for least in range(1, 9))
    )
    await end_reverse_auction(call)
    assert await award_auctions() == 1
    assert await outcomes_of_asks() == {1: "won"}


async def test_the_award_is_pricings_over_a_thousand_asks() -> None:
    people, dice = 1_000, np.random.default_rng(5)
    call, [stratum] = await open_reverse_auction(
        strata=[Stratum("Tous", "All", 400, 150_000_000, 900_000)], people=people
    )
    least = dice.integers(0, 1_000, people) * 1_000
    key, now = sealing.public_key(settings().bid_key), clock.now()
    arrival = dice.permutation(people)
    rows = [
        (ask_id(call, who), stratum, call, who, now + dt.timedelta(microseconds=int(arrival[who])))
        for who in range(people)
    ]
    from marketplace.core.database import copy_in  # noqa: PLC0415

    await copy_in(
        "reverse_auction_ask",
        ("id", "stratum", "auction", "subscriber", "asked_at", "sealed"),
        [
            (*row, sealing.seal({"least_micro": int(least[who])}, row[0], key, padded_to=64))
            for who, row in enumerate(rows)
        ],
    )
    await end_reverse_auction(call)
    assert await award_auctions() == 1
    order = np.argsort(arrival)
    expected = uniform_asks_within(least[order], 150_000_000, 400, 900_000)
    assert isinstance(expected, ReverseAward)
    assert 100 < expected.winners < 400
    found = await fetch_one("SELECT winners, price_micro FROM reverse_auction_stratum")
    assert found
    assert tuple(found) == (expected.winners, expected.price_minor)
    assert {who for who, reason in (await outcomes_of_asks()).items() if reason == "won"} == set(
        order[winners_of(expected, least[order])].tolist()
    )
    assert await fetch_value("SELECT count(*) FROM contributor_promise") == expected.winners


async def test_a_subscriber_states_a_price_and_sees_the_promise() -> None:
    call, [stratum] = await open_reverse_auction()
    await reverse_actions.ask(1, call, stratum, least_micro=2_000_000)
    await reverse_actions.ask(2, call, stratum, least_micro=3_000_000)
    await make_subscriber()
    async with Browser() as ada:
        await ada.sign_in("ada@line.example")
        assert "State your least amount" in page_text(await ada.get("/en/calls"))
        shown = page_text(await ada.get(f"/en/calls/{call}"))
        assert "How many answer is published once, at the end, with noise (ε 0.5)" in shown
        assert "people answered" not in shown
        assert "You do not consent to this purpose at present" in shown
        answer = await ada.submit(f"/en/calls/{call}/asks", {"stratum": str(stratum), "amount": "1,00"})
        assert answer.headers["location"] == f"/en/calls/{call}"
        assert "Your answer is sealed" in page_text(await ada.get(f"/en/calls/{call}"))
        for typed, sentence in (("five cents", "such as €2.00"), ("9", "nobody is paid more than €4.00")):
            odd = await ada.submit(f"/en/calls/{call}/asks", {"stratum": str(stratum), "amount": typed})
            assert odd.status_code == 422
            assert sentence in page_text(odd)
            assert f'value="{typed}"' in odd.text, "what was typed is kept"
        other = await ada.get(f"/fr/calls/{call}/asks")
        assert (other.status_code, other.headers["location"]) == (303, f"/fr/calls/{call}"), "whose language changed"
        assert (await ada.submit(f"/en/calls/{call}/withdraw", {})).status_code == 303
        assert "Your answer is sealed" not in page_text(await ada.get(f"/en/calls/{call}"))
        await ada.submit(f"/en/calls/{call}/asks", {"stratum": str(stratum), "amount": "1.00"})
        await end_reverse_auction(call)
        await award_auctions()
        assert "promised at least €3.00" in page_text(await ada.get("/en/calls"))
        closed = page_text(await ada.get(f"/fr/calls/{call}"))
        assert "Vous êtes retenu" in closed
        assert "Moins de 100 personnes ont répondu" in closed
        assert "What you were promised" in page_text(await ada.get("/en/earnings/shares"))
        assert "€3.00 at least, of each licence" in page_text(await ada.get("/en/earnings/shares"))
        assert (await ada.get(f"/en/calls/{uuid.uuid4()}")).status_code == 404
        assert (await ada.get("/en/steward/calls")).status_code == 403


async def test_a_steward_opens_a_call_once_a_form() -> None:
    await make_offer()
    await charge_at_least(10_000_000)
    await add_staff("sam@operator.example", "Sam Steward", "steward", PASSWORD)
    async with Browser() as steward:
        await steward.sign_in("sam@operator.example")
        shown = page_text(await steward.get("/en/steward/calls/new"))
        assert "Presence" in shown
        assert "Prices that subscriptions locked before stay" in shown
        now = clock.now()
        fields = {
            "dataset": "new-york",
            "opens_at": f"{now:%Y-%m-%dT%H:%M}",
            "closes_at": f"{now + DAY:%Y-%m-%dT%H:%M}",
            "promise_from": f"{now + DAY:%Y-%m-%dT%H:%M}",
            "promise_to": f"{now + 90 * DAY:%Y-%m-%dT%H:%M}",
            "title_fr-0": "18-39 ans",
            "title_en-0": "18-39",
            "wanted-0": "1200",
            "budget-0": "60",
            "most-0": "0,05",
        }
        second = {"title_fr-3": "Autres", "title_en-3": "Others", "wanted-3": "900", "budget-3": "45", "most-3": "0.05"}
        form = str(uuid.uuid4())
        for _ in range(2):
            answer = await steward.submit("/en/steward/calls/new", fields, form_id=form)
            assert answer.headers["location"] == "/en/steward/calls", answer.text
        rows = await fetch(
            "SELECT title_en, wanted, budget_micro, reserve_micro FROM reverse_auction_stratum ORDER BY position"
        )
        assert [tuple(row) for row in rows] == [
            ("18-39", 1_200, 60_000_000, 50_000),
        ]
        shown = page_text(await steward.get("/en/steward/calls"))
        assert "fewer than 100" not in shown
        assert "1,200" in shown
        for bad in (
            {"wanted-0": "many"},
            {"bands-0": "18-39, 90+"},
            second,
            {"wanted-0": "99"},
            {"budget-0": "4,99"},
            {"budget-0": "0,01"},
            {"closes_at": "soon"},
            {"promise_to": fields["opens_at"]},
        ):
            refused = await steward.submit("/en/steward/calls/new", fields | bad)
            assert refused.status_code == 422, bad
            assert "-error" in refused.text, "said at the field"
            assert fields["title_fr-0"] in refused.text, "what was typed is kept"
        assert (await steward.submit("/en/steward/calls/new", fields | {"dataset": "no"})).status_code == 404


async def test_a_call_promises_at_most_what_the_least_charge_covers_and_keeps_it() -> None:
    await open_reverse_auction()
    now = clock.now()
    dataset = await fetch_value("SELECT code FROM dataset")
    timing = Timing(now, now + DAY, now + DAY, now + 90 * DAY)
    await charge_at_least(10_000_000)
    with pytest.raises(Invalid, match="what contributors were promised rests on it"):
        await charge_at_least(1_000)
    room = 10_000_000 * 95 // 100 * settings().operator_basis_points // 10_000 - 20
    spare = Stratum("Tous", "All", 100, (room - 1_000) * 10_000, 1)  # beside the 10 euros of the open call
    with pytest.raises(Invalid, match="state a least charge of"):
        await reverse_actions.announce(
            dataset, [msgspec.structs.replace(spare, budget_micro=room * 10_000)], timing=timing, by="Steward"
        )
    await reverse_actions.announce(dataset, [spare], timing=timing, by="Steward")
    with pytest.raises(Invalid, match="state a least charge of"):
        await reverse_actions.announce(dataset, [ADULTS], timing=timing, by="Steward", fewest=1)
    assert await fetch_value("SELECT count(*) FROM reverse_auction") == 2
