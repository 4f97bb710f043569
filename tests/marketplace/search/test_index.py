"""The index of what is for sale: the same answers as reading every card, at any size, after any changes."""

from __future__ import annotations

import datetime as dt
import gc
import random
from collections import Counter

import msgspec
import pytest

from marketplace.search.index import FACETS, Asked, Card, Index, Word, facet_values, in_every_order
from marketplace.search.rules import State, read_state, words_of
from marketplace.search.vocabulary import changes

NAMES = ("lyon", "lille", "paris", "presence", "quartiers", "nuits", "gares", "bordeaux", "flux")
NOW = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)


def card(number: int, rng: random.Random, version: int) -> Card:
    words = rng.sample(NAMES, 3)
    return Card(
        dataset=f"set-{number}",
        is_listed=rng.random() < 0.9,
        words=" ".join([f"set-{number}", *words]),
        stems=" ".join(words),
        area=f"area {rng.randrange(100)}",
        indicator=rng.choice(("presence", "flows")),
        zones=rng.choice(("h3-7", "communes")),
        grain=rng.choice(("hour", "day")),
        cadence=rng.choice(("", "week")),
        price_minor=rng.choice((None, rng.randrange(1, 2_000_000))),
        coverage_basis_points=rng.randrange(10_001),
        period_to=NOW - dt.timedelta(hours=rng.randrange(5_000)),
        version=version,
    )


@pytest.mark.parametrize("size", [40, pytest.param(3_000, marks=pytest.mark.deep)])
def test_every_search_answers_as_reading_every_card_would(size: int) -> None:
    rng, cards = random.Random(size), dict[str, Card]()  # noqa: S311 (a made-up catalogue)
    index = Index(block=64, most_counted=400)
    copied = None
    for version in range(1, size + size // 2):
        one = card(version if version <= size else rng.randrange(1, size), rng, version)
        cards[one.dataset] = one
        index.put([one])
        if version % (size // 4) == 0:
            index.find(Asked(), skip=0, most=1)
            if copied is not None:
                index.end_sorting(in_every_order(copied))  # Cards were read since it began.
            copied = index.begin_sorting() if index.is_unsorted and version < size else None
    listed = [one for one in cards.values() if one.is_listed]
    for _ in range(60):
        words = tuple(Word(word) for word in rng.sample(NAMES, rng.randrange(3)))
        chosen = {
            facet: tuple({facet_values(rng.choice(listed))[FACETS.index(facet)] for _ in range(2)})
            for facet in rng.sample(FACETS, rng.randrange(3))
        }
        most = rng.choice((None, None, 500_000))
        sort = rng.choice(("fresh", "cheap", "dear", "coverage"))
        base = [
            one
            for one in listed
            if all(word.typed in one.words.split() for word in words)
            and (most is None or (one.price_minor is not None and one.price_minor <= most))
        ]

        def fits(one: Card, but: str = "", chosen: dict[str, tuple[str, ...]] = chosen) -> bool:
            values = dict(zip(FACETS, facet_values(one), strict=True))
            return all(values[facet] in allowed for facet, allowed in chosen.items() if facet != but)

        found = index.find(Asked(words, chosen, most, sort), skip=0, most=size)
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
        halves = [index.find(Asked(words, chosen, most, sort), skip=skip, most=7).codes for skip in (0, 7)]
        assert halves[0] + halves[1] == found.codes[:14]
        for facet in FACETS:
            exact = Counter(facet_values(one)[FACETS.index(facet)] for one in base if fits(one, facet))
            shown = dict(found.counts[facet])
            assert {value: min(exact[value], 401) for value in shown} == shown, "counts are exact as far as they go"
            ever = {facet_values(one)[FACETS.index(facet)] for one in cards.values()}
            if len(ever) <= 64 or exact.total() <= 64:
                assert {value for value, count in shown.items() if count} == set(exact)


def test_a_price_that_changes_is_read_in_place_and_a_word_of_one_dataset_is_no_object() -> None:
    rng, index = random.Random(3), Index()  # noqa: S311 (a made-up catalogue)
    for version in range(1, 400):
        index.put([card(version % 50 + 1, rng, version)])
    before = len(index)
    again = msgspec.structs.replace(card(7, rng, 400), is_listed=True, price_minor=123_456)
    index.put([again])
    assert index.find(Asked((), {}, 123_456), skip=0, most=99).codes.count("set-7") == 1
    index.put([msgspec.structs.replace(again, price_minor=2_000_000, version=401)])
    assert "set-7" not in index.find(Asked((), {}, 123_456), skip=0, most=99).codes
    assert index.find(Asked((), {"price": ("4",)}), skip=0, most=99).codes.count("set-7") == 1
    assert len(index) <= before + 1
    many = Index()
    gc.collect()
    tracked = len(gc.get_objects())
    many.put([msgspec.structs.replace(again, dataset=f"one-{at}", words=f"one-{at}") for at in range(5_000)])
    gc.collect()
    assert len(gc.get_objects()) < tracked + 500, "what the collector visits does not grow with the catalogue"


def test_words_are_found_by_stem_by_beginning_and_by_the_nearest() -> None:
    rng, index = random.Random(1), Index()  # noqa: S311 (a made-up catalogue)
    index.put([card(number, rng, number) for number in range(1, 200)])
    for typed, used in (("presnce", "presence"), ("qaurtiers", "quartiers"), ("bordaux", "bordeaux"), ("lyin", "lyon")):
        found = index.find(Asked((Word(typed),)), skip=0, most=5)
        assert found.total > 0
        assert found.instead == {typed: used}
    near = f"set-{100}".replace("100", "1000")
    assert index.find(Asked((Word(near), Word("100"))), skip=0, most=5).instead == {}, "a number is no other number"
    for typed in ("zzz", "zzzzzzzz", "prxyzzce", "lyo x", "l"):
        assert index.find(Asked((Word(typed),)), skip=0, most=5).total == 0, typed
    assert index.find(Asked((Word("quart"),)), skip=0, most=5).instead == {}
    assert index.find(Asked((Word("xx", ("nuits",)),)), skip=0, most=5).total > 0
    assert [changes("gare", other, 2) for other in ("gare", "gares", "agre", "gra", "lille", "garexyz")] == [
        0,
        1,
        1,
        2,
        3,
        3,
    ]


def test_an_address_holds_the_whole_state_and_nothing_it_says_is_refused() -> None:
    pairs = [("search", "gares\u0000 Lyon"), ("area", "Lyon"), ("area", "Lille"), ("grain", "day"), ("below", "500")]
    state = read_state([*pairs, ("sort", "cheap"), ("sort", "odd"), ("below", "-1"), ("colour", "red"), ("grain", "")])
    assert state == State("gares Lyon", {"area": ("Lille", "Lyon"), "grain": ("day",)}, 50_000, "cheap")
    assert state.query() == "search=gares+Lyon&area=Lille&area=Lyon&grain=day&below=500&sort=cheap"
    assert state.toggled("grain", "day").toggled("area", "Nice").chosen == {"area": ("Lille", "Lyon", "Nice")}
    assert State().is_empty
    assert words_of("Présence — l’Œuvre, présence") == ["presence", "l", "oeuvre"]
