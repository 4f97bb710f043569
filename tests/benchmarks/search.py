"""Searching a hundred thousand listings: p99 of list, facets, words and typing errors, against the p99 of one indexed read.

`python3 tests bench search` prints `search list|facets|words|typo RATIO …`: each search is the product's own, from the look
for changes to the rows of its page, on its own PostgreSQL; the read is one dataset by its key. SEARCH_LISTINGS=1000000 shows
how flat it is. The first thousand cards are written by the product; the others are copied in, of the same words and stems as
the product's, each at the price and the coverage of one of the first.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import random
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

LISTINGS = 100_000
TIMES = 400
PLACES = 20_000
WRITTEN = 1_000
"""Cards that the product writes."""
BATCH_SIZE = 50_000
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
    """INSERT INTO offer (id, dataset, terms, full_worth_minor, floor_minor, cap_minor, currency, listed_at)
       SELECT gen_random_uuid(), code, 'search', 240000, 15000, 400000, 'EUR', now() FROM dataset""",
    """INSERT INTO demand_draw (id, offer, day, demand_basis_points, drawn_at)
       SELECT gen_random_uuid(), id, (now() AT TIME ZONE 'UTC')::date, 10000, now() FROM offer""",
    f"""INSERT INTO release (id, dataset, specification, state, period_from, period_to, latest_event_at, started_at, sealed_at,
           epsilon_micro, threshold, noise_variance_micro, key_count, row_count, consenting, population)
       SELECT gen_random_uuid(), code, code, 'sealed', now() - interval '9 days' - number * interval '1 minute',
           now() - interval '2 days' - number * interval '1 minute', now() - interval '2 days', now(), now(),
           1000000, 20, 9000000, 1000, 900, 100 + number % {WRITTEN} * 8 / 10, 1000
       FROM (SELECT code, substr(code, 5)::integer AS number FROM dataset) AS numbered""",
    f"INSERT INTO dataset_change (dataset) SELECT code FROM dataset WHERE substr(code, 5)::integer < {WRITTEN}",
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
    half_life_days: int
    cadence: str
    created_at: dt.datetime


def main(*, peers: bool = False) -> None:
    """Run it; `peers` changes nothing."""
    del peers
    from marketplace.embedded.postgres import SUPERUSER, EmbeddedPostgres  # noqa: PLC0415 (the environment is set below)

    with tempfile.TemporaryDirectory(prefix="partage-search-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            server.run_sql("CREATE DATABASE search OWNER partage")
            os.environ |= {"DATABASE_URL": server.url("search"), "PARTAGE_STATE": folder}
            listings = int(os.environ.get("SEARCH_LISTINGS", str(LISTINGS)))
            asyncio.run(_measure(server.url("search"), server.url("search", SUPERUSER), listings))


async def _measure(url: str, superuser: str, listings: int) -> None:
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
    where = [(rng.choice(places), rng.choice(places)) for _ in range(listings)]
    start = time.perf_counter()
    await _fill(superuser, where)
    filled = time.perf_counter()
    written = await refresh_cards()
    cards = time.perf_counter()
    await _copy_cards(superuser, where)
    copied = time.perf_counter()
    await search(State(), 1)
    print(
        f"search cards {cards - filled:.1f} s for {written} that were written, after {filled - start:.1f} s for {listings} "
        f"datasets; {copied - cards:.1f} s for the others, and {time.perf_counter() - copied:.1f} s to read all into memory",
        flush=True,
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
    least = await _p99(read)
    for name, one in searches.items():
        slow = await _p99(one)
        print(
            f"search {name} {slow / least:.1f} × one indexed read at p99 ({slow * 1e3:.1f} ms, {least * 1e3:.2f} ms, {listings} listings)"
        )
    await database.close_pool()


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
        30,
        CADENCES[number // 3 % len(CADENCES)],
        NOW,
    )


async def _fill(superuser: str, where: list[Where]) -> None:
    """Write datasets, offers and releases without what each row would be checked and noted by."""
    import asyncpg  # noqa: PLC0415

    filling = await asyncpg.connect(superuser)
    await filling.execute("SET session_replication_role = replica")
    await filling.execute(SHOP[0])
    for start in range(0, len(where), BATCH_SIZE):
        records = _made(where, start, start + BATCH_SIZE)
        await filling.copy_records_to_table("dataset", columns=Made._fields, records=records)
    for statement in SHOP[1:]:
        await filling.execute(statement)
    await filling.close()


async def _copy_cards(superuser: str, where: list[Where]) -> None:
    """Copy the cards that the product did not write, and see that those which it wrote are the same."""
    import asyncpg  # noqa: PLC0415

    from marketplace.search.queries import stem  # noqa: PLC0415
    from marketplace.search.rules import words_of  # noqa: PLC0415

    first = next(_made(where, 0, 1))
    texts = chain(set(chain.from_iterable(where)), *KINDS, (first.description_fr, first.description_en))
    stems = {one.word: one.stems for one in await stem(sorted(set(words_of(" ".join(texts)))))}
    copying = await asyncpg.connect(superuser)
    await copying.execute("SET session_replication_role = replica")
    rows = await copying.fetch(
        "SELECT *, substr(dataset, 5)::integer AS number FROM search_card ORDER BY number",
    )
    written, version = rows[:WRITTEN], max(row["version"] for row in rows)
    fields = [name for name in written[0].keys() if name != "number"]  # noqa: SIM118 (a record of asyncpg)
    words = _words_of(_made(where, 0, len(written)), words_of, stems)
    assert all((row["words"], row["stems"]) == own for row, own in zip(written, words, strict=True))

    def cards() -> Iterator[tuple[Any, ...]]:
        others = _made(where, len(written))
        own_words = _words_of(_made(where, len(written)), words_of, stems)
        for number, (one, own) in enumerate(zip(others, own_words, strict=True), len(written)):
            like = written[number % len(written)]
            stated = {
                "dataset": one.code,
                "words": own[0],
                "stems": own[1],
                "area": one.area,
                "indicator": one.product,
                "grain": one.grain,
                "cadence": one.cadence,
                "period_to": NOW - dt.timedelta(days=2, minutes=number),
                "version": version + number,
            }
            yield tuple(stated.get(name, like[name]) for name in fields)

    await copying.copy_records_to_table("search_card", columns=fields, records=cards())
    await copying.execute("SELECT setval('search_version', (SELECT max(version) FROM search_card))")
    await copying.execute("ANALYZE search_card")
    await copying.close()


def _words_of(
    made: Iterable[Made], words_of: Callable[[str], list[str]], stems: dict[str, list[str]]
) -> Iterator[tuple[str, str]]:
    """Return the words and the stems of each dataset's card; the words of a text that many share are looked for once."""
    parts: dict[str, list[str]] = {}

    def part(text: str) -> list[str]:
        if text not in parts:
            parts[text] = words_of(text)
        return parts[text]

    for one in made:
        texts = (one.title_fr, one.title_en, one.description_fr, one.description_en, one.area)
        own = list(dict.fromkeys(chain.from_iterable(part(text) for text in texts)))
        words = dict.fromkeys([*own, *words_of(one.code)])
        yield " ".join(words), " ".join(dict.fromkeys(chain.from_iterable(stems[word] for word in own)))


async def _p99(work: Callable[[], Awaitable[object]]) -> float:
    seconds = []
    for _ in range(TIMES):
        start = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[int(0.99 * TIMES)]
