"""Searching a hundred thousand listings: p99 of list, facets, words and typing errors, against the p99 of one indexed read.

`python3 tests bench search` prints `search list|facets|words|typo RATIO …`: each search is the product's own, from the look
for changes to the rows of its page, on its own PostgreSQL; the read is one dataset by its key. SEARCH_LISTINGS=1000000 shows
how flat it is.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LISTINGS = 100_000
TIMES = 400
PLACES = 20_000
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
DATASETS = """
INSERT INTO dataset (code, purpose, title_fr, title_en, description_fr, description_en, area, zones, age_bands, h3_resolution,
    grain, max_cells, max_events, product, epsilon_micro, budget_micro, half_life_days, cadence, created_at)
SELECT code, 'search.x', title_fr, title_en, description_fr, description_en, area, '{}', '{}', 8, grain, 3, 2, product,
    1000000, 1000000000, 30, cadence, now()
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
    AS given (code, title_fr, title_en, description_fr, description_en, area, grain, product, cadence)
"""
SHOP = (
    "INSERT INTO purpose (code, category, use, title_fr, title_en) VALUES ('search.x', 'search', 'x', 'x', 'x')",
    "INSERT INTO licence_terms (code, lines_fr, lines_en, months, usage_right) VALUES ('search', 'x', 'x', 12, 'publish')",
    """INSERT INTO offer (id, dataset, terms, full_worth_minor, floor_minor, cap_minor, currency, listed_at)
       SELECT gen_random_uuid(), code, 'search', 240000, 15000, 400000, 'EUR', now() FROM dataset""",
    """INSERT INTO demand_draw (id, offer, day, demand_basis_points, drawn_at)
       SELECT gen_random_uuid(), id, (now() AT TIME ZONE 'UTC')::date, 10000, now() FROM offer""",
    """INSERT INTO release (id, dataset, specification, state, period_from, period_to, latest_event_at, started_at, sealed_at,
           epsilon_micro, threshold, noise_variance_micro, key_count, row_count, consenting, population)
       SELECT gen_random_uuid(), code, code, 'sealed', now() - interval '9 days' - number * interval '1 minute',
           now() - interval '2 days' - number * interval '1 minute', now() - interval '2 days', now(), now(),
           1000000, 20, 9000000, 1000, 900, 100 + number % 800, 1000
       FROM (SELECT code, row_number() OVER () AS number FROM dataset) AS numbered""",
    "ANALYZE",
)


def main(*, peers: bool = False) -> None:
    """Run it; `peers` changes nothing."""
    del peers
    from marketplace.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 (the environment is set below)

    with tempfile.TemporaryDirectory(prefix="partage-search-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            server.run_sql("CREATE DATABASE search OWNER partage")
            os.environ |= {"DATABASE_URL": server.url("search"), "PARTAGE_STATE": folder}
            asyncio.run(_measure(server.url("search"), int(os.environ.get("SEARCH_LISTINGS", str(LISTINGS)))))


async def _measure(url: str, listings: int) -> None:
    from marketplace import database  # noqa: PLC0415
    from marketplace.catalogue.queries import list_listings_of  # noqa: PLC0415
    from marketplace.search.actions import refresh_cards  # noqa: PLC0415
    from marketplace.search.finding import search  # noqa: PLC0415
    from marketplace.search.rules import State  # noqa: PLC0415
    from migrations.runner import migrate  # noqa: PLC0415

    await database.open_pool(url, size=2)
    await migrate()
    rng = random.Random(7)  # noqa: S311 (a made-up catalogue, always the same one)
    places = sorted({"".join(rng.sample(SYLLABLES, 3)).capitalize() for _ in range(PLACES)})
    await _fill(listings, places, rng)
    start = time.perf_counter()
    written = await refresh_cards()
    cards = time.perf_counter() - start
    start = time.perf_counter()
    await search(State(), 1)
    print(f"search cards {cards:.1f} s for {written} cards, read into memory in {time.perf_counter() - start:.1f} s")

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
    least = await _p99(read)
    for name, one in searches.items():
        slow = await _p99(one)
        print(
            f"search {name} {slow / least:.1f} × one indexed read at p99 ({slow * 1e3:.1f} ms, {least * 1e3:.2f} ms, {listings} listings)"
        )
    await database.close_pool()


async def _fill(listings: int, places: list[str], rng: random.Random) -> None:
    from marketplace.database import execute_long  # noqa: PLC0415

    await execute_long(SHOP[0])
    for start in range(0, listings, 10_000):
        columns: list[list[str]] = [[] for _ in range(9)]
        for number in range(start, min(start + 10_000, listings)):
            fr, en, product = KINDS[number % len(KINDS)]
            place, near = rng.choice(places), rng.choice(places)
            row = (
                f"set-{number}",
                f"{fr} — {place}",
                f"{en} — {place}",
                f"Autour de {near}, par tranche d’âge.",
                f"Around {near}, by age band.",
                place,
                ("hour", "day", "week")[number % 3],
                product,
                ("", "day", "week", "month")[number // 3 % 4],
            )
            for column, value in zip(columns, row, strict=True):
                column.append(value)
        await execute_long(DATASETS, *columns)
    for statement in SHOP[1:]:
        await execute_long(statement)


async def _p99(work: Callable[[], Awaitable[object]]) -> float:
    seconds = []
    for _ in range(TIMES):
        start = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[int(0.99 * TIMES)]
