"""Searching a hundred thousand listings: p99 of list, facets, words and typing errors, against the p99 of one indexed read.

`python3 tests bench search` prints `search list|facets|words|typo RATIO …`: each search is the product's own, from the look
for changes to the rows of its page, on its own PostgreSQL; the read is one dataset by its key. The first thousand cards
follow changes as the product's do; the others are written as cards at once, each at the price and the coverage of one of
the first.
"""

import datetime as dt
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple, TypeAlias

import asyncpg

from marketplace.catalogue.offers.queries import list_listings_of
from marketplace.catalogue.search.actions import Card, refresh_cards, write_cards
from marketplace.catalogue.search.finding import search
from marketplace.catalogue.search.rules import State, bands_of, words_of
from marketplace.core.database import transaction
from marketplace.core.postgres import ROLE, SUPERUSER
from tests.benchmarks._bench import Run, p99

SIZE, SMALLEST = 100_000, 1_000
"""Listings."""
MOST_TIMES = 400
PLACES = 20_000
MOST_WRITTEN = 1_000
"""Cards that the product writes."""
BATCH_SIZE, CARDS_AT_ONCE = 50_000, 2_000
NOW = dt.datetime.now(dt.UTC)
GRAINS, CADENCES = ("hour", "day", "week"), ("", "day", "week", "month")
SYLLABLES = (
    "mar",
    "ville",
    "sur",
    "lon",
    "bre",
    "tagne",
    "mont",
    "clair",
    "val",
    "roche",
    "saint",
    "bois",
    "pont",
    "neuf",
    "lac",
)
KINDS = (
    ("Présence par quartier", "Presence by district", "presence"),
    ("Flux entre quartiers", "Flows between districts", "flows"),
    ("Nuitées par commune", "Nights by municipality", "stays"),
    ("Arrivées par gare", "Arrivals by station", "arrivals"),
)
SHOP = (
    "INSERT INTO purpose (code, category, use, title_fr, title_en) VALUES ('search.x', 'search', 'x', 'x', 'x')",
    "INSERT INTO licence_terms (code, lines_fr, lines_en, months, usage_right) VALUES ('search', 'x', 'x', 12, 'publish')",
    """INSERT INTO offer (id, dataset, terms, sheet, listed_at)
       SELECT gen_random_uuid(), code, 'search', 'sheet', now() FROM dataset""",
    """INSERT INTO price_sheet (code, title_fr, title_en, product, grain, h3_resolution, created_at)
       VALUES ('sheet', 'x', 'x', 'presence', 'week', 7, now())""",
    """INSERT INTO sheet_version (id, sheet, number, document, sha256, terms, groups, starts_at, stated_by, stated_at)
       VALUES ('00000000-0000-4000-8000-000000000001', 'sheet', 1, 'x', encode(sha256('x'), 'hex'),
           '{{"half_life_hours":720,"purposes":{{}},"rights":{{"publish":10000}},"worth_micro":100000000}}', '{{all}}', now(), 'x', now())""",
    """INSERT INTO volume_law (id, starts_minor, rates_basis_points, least_minor, starts_at, stated_by, stated_at)
       VALUES (gen_random_uuid(), '{{0}}', '{{10000}}', 1, now(), 'x', now())""",
    """INSERT INTO demand_draw (id, sheet, day, demand_basis_points, drawn_at)
       VALUES (gen_random_uuid(), 'sheet', (now() AT TIME ZONE 'UTC')::date, 10000, now())""",
    """INSERT INTO release (id, dataset, specification, state, period_from, period_to, latest_event_at, started_at, sealed_at,
           epsilon_micro, sampler, threshold, noise_variance_micro, key_count, row_count, hours_by_day, published_by_day, consenting,
           population)
       SELECT gen_random_uuid(), code, code, 'sealed', now() - interval '9 days' - number * interval '1 minute',
           now() - interval '2 days' - number * interval '1 minute', now() - interval '2 days', now(), now(),
           1000000, 'opendp', 20, 9000000, 1000, 900, '{{168}}', '{{900}}', 100 + number % {written} * 8 / 10, 1000
       FROM (SELECT code, substr(code, 5)::integer AS number FROM dataset) AS numbered""",
    """INSERT INTO release_points (version, release, level, spans, stages)
       SELECT '00000000-0000-4000-8000-000000000001', id, 0, format('[[%s,%s,"all",%s]]', hour, hour + 168, points),
           array_fill(points * 168, ARRAY[5])
       FROM (
           SELECT id, floor(extract(epoch FROM period_from) / 3600)::bigint AS hour, consenting::bigint * 300 AS points FROM release
       ) AS counted""",
    "INSERT INTO dataset_change (dataset) SELECT code FROM dataset WHERE substr(code, 5)::integer < {written}",
    "ANALYZE",
)


Where: TypeAlias = tuple[str, str]
"""The place that a dataset is of, and the one that it is near."""


class Made(NamedTuple):
    """A made-up dataset, in the order of its columns."""

    code: str
    purpose: str
    title_fr: str
    title_en: str
    description_fr: str
    description_en: str
    area: str
    zones: list[str]
    age_bands: list[str]
    h3_resolution: int
    grain: str
    max_cells: int
    max_events: int
    product: str
    epsilon_micro: int
    budget_micro: int
    cadence: str
    created_at: dt.datetime


def main(run: Run) -> None:
    """Run it."""
    with run.marketplace() as place:
        superuser = place.url.replace(f"//{ROLE}@", f"//{SUPERUSER}@")
        place.play(lambda: _measure(run, superuser), connections=2)


async def _measure(run: Run, superuser: str) -> None:
    listings = run.size
    first, times = min(MOST_WRITTEN, listings // 10), min(MOST_TIMES, listings // 20)
    rng = random.Random(7)  # noqa: S311 (a made-up catalogue, always the same one)
    places = sorted({"".join(rng.sample(SYLLABLES, 3)).capitalize() for _ in range(PLACES)})
    where = [(rng.choice(places), rng.choice(places)) for _ in range(listings)]
    start = time.perf_counter()
    await _fill(superuser, where, first)
    filled = time.perf_counter()
    written = await refresh_cards()
    cards = time.perf_counter()
    await _write_cards(superuser, where, first)
    copied = time.perf_counter()
    run.figure(
        "cards",
        f"{cards - filled:.1f}",
        f"s for {written} that were written, after {filled - start:.1f} s for {listings} datasets; "
        f"{copied - cards:.1f} s for the others",
    )

    def misspelt(word: str) -> str:
        at = rng.randrange(1, len(word) - 1)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    async def read() -> None:
        await list_listings_of([f"set-{rng.randrange(listings)}"])

    searches: dict[str, Callable[[], Awaitable[object]]] = {
        "list": lambda: search(State(sort=rng.choice(("fresh", "cheap", "dear", "coverage"))), rng.randrange(1, 40)),
        "facets": lambda: search(
            State(
                chosen={
                    "indicator": (rng.choice(KINDS)[2],),
                    "area": tuple(rng.sample(places, 2)),
                    "grain": ("day", "hour"),
                }
            ),
            1,
        ),
        "words": lambda: search(
            State(f"{rng.choice(('quartiers', 'nights', 'flux', 'presence'))} {rng.choice(places)[:7]}"), 1
        ),
        "typo": lambda: search(State(misspelt(rng.choice(places))), 1),
    }
    for _ in range(3):
        await read()
        for one in searches.values():
            await one()
    least = await _p99(read, times)
    for name, one in searches.items():
        slow = await _p99(one, times)
        spent = f"({slow * 1e3:.1f} ms, {least * 1e3:.2f} ms, {listings} listings)"
        run.figure(name, f"{slow / least:.1f}", f"× one indexed read at p99 {spent}")


def _made(where: list[Where], start: int, end: int | None = None) -> Iterator[Made]:
    """Return made-up datasets by their numbers: of which place each is, and near which one."""
    for number, (place, near) in enumerate(where[start:end], start):
        yield _dataset(number, place, near)


def _dataset(number: int, place: str, near: str) -> Made:
    fr, en, product = KINDS[number % len(KINDS)]
    return Made(
        f"set-{number}",
        "search.x",
        f"{fr} — {place}",
        f"{en} — {place}",
        f"Autour de {near}, par tranche d’âge.",
        f"Around {near}, by age band.",
        place,
        [],
        [],
        8,
        GRAINS[number % len(GRAINS)],
        3,
        2,
        product,
        1_000_000,
        1_000_000_000,
        CADENCES[number // 3 % len(CADENCES)],
        NOW,
    )


async def _fill(superuser: str, where: list[Where], written: int) -> None:
    """Write datasets, offers and releases without what each row would be checked and noted by; so many have changed."""
    filling = await asyncpg.connect(superuser)
    await filling.execute("SET session_replication_role = replica")
    await filling.execute(SHOP[0])
    for start in range(0, len(where), BATCH_SIZE):
        records = _made(where, start, start + BATCH_SIZE)
        await filling.copy_records_to_table("dataset", columns=Made._fields, records=records)
    for statement in SHOP[1:]:
        await filling.execute(statement.format(written=written))
    await filling.close()


async def _write_cards(superuser: str, where: list[Where], by_product: int) -> None:
    """Write the cards that follow no change, and see that those which do say the same."""
    reading = await asyncpg.connect(superuser)
    written = await reading.fetch("SELECT * FROM search_card ORDER BY substr(dataset, 5)::integer LIMIT $1", by_product)
    for start in range(by_product, len(where), CARDS_AT_ONCE):
        async with transaction():
            await write_cards(
                [
                    _card(one, number, written[number % by_product])
                    for number, one in enumerate(_made(where, start, start + CARDS_AT_ONCE), start)
                ]
            )
    async with transaction():
        await write_cards([_card(one, at, written[at]) for at, one in enumerate(_made(where, 0, by_product))])
    again = await reading.fetch("SELECT * FROM search_card ORDER BY substr(dataset, 5)::integer LIMIT $1", by_product)
    assert [row["words"] for row in again] == [row["words"] for row in written]
    await reading.execute("VACUUM ANALYZE search_card, search_trigram")
    await reading.close()


def _card(one: Made, number: int, like: asyncpg.Record) -> Card:
    texts = (one.code, one.title_fr, one.title_en, one.description_fr, one.description_en, one.area)
    price, coverage, until = (
        like["price_minor"],
        like["coverage_basis_points"],
        NOW - dt.timedelta(days=2, minutes=number),
    )
    return Card(
        one.code,
        is_listed=True,
        words=" ".join(words_of(" ".join(texts))),
        area=one.area,
        indicator=one.product,
        zones=like["zones"],
        grain=one.grain,
        cadence=one.cadence,
        price=bands_of(price, coverage, until)[0],
        coverage=bands_of(price, coverage, until)[1],
        latest=bands_of(price, coverage, until)[2],
        price_minor=price,
        coverage_basis_points=coverage,
        period_to=until,
    )


async def _p99(work: Callable[[], Awaitable[object]], times: int) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - start)
    return p99(seconds)
