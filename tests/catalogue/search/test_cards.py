"""The cards of what is for sale: the same answers as reading every card one by one, after any changes."""

import datetime as dt
import random
from collections import Counter

import msgspec
import pytest

from marketplace.catalogue.search import queries
from marketplace.catalogue.search.actions import Card, write_cards
from marketplace.catalogue.search.queries import find_cards, get_news
from marketplace.catalogue.search.rules import FACETS, State, bands_of, changes, read_state, words_of
from marketplace.core.database import execute

NAMES = ("lyon", "lille", "paris", "presence", "quartiers", "nuits", "gares", "bordeaux", "flux")
NOW = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
DATASETS = """
    INSERT INTO dataset (code, purpose, title_fr, title_en, description_fr, description_en, area, zones, age_bands, h3_resolution,
        grain, max_cells, max_events, product, epsilon_micro, budget_micro, cadence, created_at)
    SELECT 'set-' || number, 'x.y', 'x', 'x', 'x', 'x', 'x', '{}', '{}', 8, 'day', 3, 2, 'presence', 1, 1000, '', now()
    FROM generate_series(1, $1::integer) AS number"""
PURPOSE = "INSERT INTO purpose (code, category, use, title_fr, title_en) VALUES ('x.y', 'x', 'y', 'x', 'x')"


def search_card(number: int, rng: random.Random) -> Card:
    price = rng.choice((None, rng.randrange(1, 2_000_000)))
    coverage, until = rng.randrange(10_001), NOW - dt.timedelta(hours=rng.randrange(5_000))
    return Card(
        f"set-{number}",
        rng.random() < 0.9,
        " ".join([f"set-{number}", *rng.sample(NAMES, 3)]),
        f"area {rng.randrange(100)}",
        rng.choice(("presence", "flows")),
        rng.choice(("h3-7", "communes")),
        rng.choice(("hour", "day")),
        rng.choice(("", "week")),
        *bands_of(price, coverage, until),
        price,
        coverage,
        until,
    )


async def make_cards(count: int, rng: random.Random) -> dict[str, Card]:
    await execute(PURPOSE)
    await execute(DATASETS, count)
    cards = [search_card(number, rng) for number in range(1, count + 1)]
    await write_cards(cards)
    return {one.dataset: one for one in cards}


async def find(state: State, *, skip: int = 0, most: int = 9) -> queries.Found:
    return await find_cards(state, (await get_news()).version, skip=skip, most=most)


async def test_every_search_answers_as_reading_every_card_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MOST_COUNTED", 40)
    rng = random.Random(7)  # noqa: S311 (a made-up catalogue)
    cards = await make_cards(120, rng)
    for turn in range(60):
        if turn % 6 == 0:
            changed = [search_card(number, rng) for number in rng.sample(range(1, 121), 5)]
            await write_cards(changed)
            cards |= {one.dataset: one for one in changed}
        listed = [one for one in cards.values() if one.is_listed]
        words = rng.sample(NAMES, rng.randrange(3))
        chosen = {
            facet: tuple({getattr(rng.choice(listed), facet) for _ in range(2)})
            for facet in rng.sample(FACETS, rng.randrange(3))
        }
        most = rng.choice((None, None, 500_000))
        sort = rng.choice(("fresh", "cheap", "dear", "coverage"))
        base = [
            one
            for one in listed
            if all(word in one.words.split() for word in words)
            and (most is None or (one.price_minor is not None and one.price_minor <= most))
        ]

        def fits(one: Card, but: str = "", chosen: dict[str, tuple[str, ...]] = chosen) -> bool:
            return all(getattr(one, facet) in allowed for facet, allowed in chosen.items() if facet != but)

        state = State(" ".join(words), chosen, most, sort)
        found = await find(state, most=120)
        match = [one for one in base if fits(one)]
        assert found.total == len(match)
        assert sorted(found.codes) == sorted(one.dataset for one in match)
        key = {
            "fresh": lambda one: -one.period_to.timestamp(),
            "cheap": lambda one: one.price_minor or 1 << 62,
            "dear": lambda one: -(one.price_minor or 0),
            "coverage": lambda one: -one.coverage_basis_points,
        }[sort]
        keys = [key(cards[code]) for code in found.codes]
        assert keys == sorted(keys)
        halves = [(await find(state, skip=skip, most=7)).codes for skip in (0, 7)]
        assert halves[0] + halves[1] == found.codes[:14]
        for facet in FACETS:
            exact = Counter(getattr(one, facet) for one in base if fits(one, facet))
            expected = {**dict.fromkeys(chosen.get(facet, ()), 0), **exact}
            shown = found.counts[facet]
            assert [count for _, count in shown] == sorted((count for _, count in shown), reverse=True)
            assert {value: min(expected[value], 41) for value, _ in shown} == dict(shown)
            assert len(shown) >= min(len(expected), 64)


async def test_a_price_that_changes_is_counted_anew_and_what_is_hidden_is_found_by_nothing() -> None:
    rng = random.Random(3)  # noqa: S311 (a made-up catalogue)
    again = msgspec.structs.replace(
        (await make_cards(20, rng))["set-7"], is_listed=True, price_minor=123_456, price="2"
    )
    await write_cards([again])
    assert "set-7" in (await find(State(below=123_456), most=99)).codes
    dearer = msgspec.structs.replace(again, price_minor=2_000_000, price="4")
    before = dict((await find(State())).counts["price"])
    await write_cards([dearer])
    assert "set-7" not in (await find(State(below=123_456), most=99)).codes
    assert "set-7" in (await find(State(chosen={"price": ("4",)}), most=99)).codes
    after = dict((await find(State())).counts["price"])
    assert (after["4"] - before["4"], after.get("2", 0) - before["2"]) == (1, -1)
    await write_cards([msgspec.structs.replace(dearer, is_listed=False, words="set-7 secretissime")])
    assert "set-7" not in (await find(State(), most=99)).codes
    for typed in ("secretissime", "secretisime", "secret"):
        found = await find(State(typed))
        assert (found.total, found.instead) == (0, {}), "no word of it stands for another"


async def test_words_are_found_by_stem_by_beginning_and_by_the_nearest() -> None:
    rng = random.Random(1)  # noqa: S311 (a made-up catalogue)
    await make_cards(101, rng)
    for typed, used in (("presnce", "presence"), ("qaurtiers", "quartiers"), ("bordaux", "bordeaux"), ("lyin", "lyon")):
        found = await find(State(typed))
        assert found.total > 0
        assert found.instead == {typed: used}
    assert (await find(State("set 1000 100"))).instead == {}, "a number is no other number"
    for typed in ("zzz", "zzzzzzzz", "prxyzzce", "lyo x", "l"):
        assert (await find(State(typed))).total == 0, typed
    assert (await find(State("quart"))).instead == {}
    assert (await find(State("presences"))).total > 0, "of the same stem"
    assert (await find(State("bordaux presnce"))).instead == {"bordaux": "bordeaux", "presnce": "presence"}
    assert (await find(State("bordaux zzzzzzzz"))).total == 0
    counted = [changes("gare", other, 2) for other in ("gare", "gares", "agre", "gra", "lille", "garexyz")]
    assert counted == [0, 1, 1, 2, 3, 3]


def test_an_address_holds_the_whole_state_and_nothing_it_says_is_refused() -> None:
    pairs = [("search", "gares\u0000 Lyon"), ("area", "Lyon"), ("area", "Lille"), ("grain", "day"), ("below", "500")]
    state = read_state([*pairs, ("sort", "cheap"), ("sort", "odd"), ("below", "-1"), ("colour", "red"), ("grain", "")])
    assert state == State("gares Lyon", {"area": ("Lille", "Lyon"), "grain": ("day",)}, 50_000, "cheap")
    assert state.query() == "search=gares+Lyon&area=Lille&area=Lyon&grain=day&below=500&sort=cheap"
    assert state.toggled("grain", "day").toggled("area", "Nice").chosen == {"area": ("Lille", "Lyon", "Nice")}
    assert State().is_empty
    assert words_of("Présence — l’Œuvre, présence") == ["presence", "l", "oeuvre"]
