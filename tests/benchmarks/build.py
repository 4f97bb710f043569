"""`build`: a private release of a country against the bare GROUP BY on the same Parquet, in one run.

R is DuckDB's count of rows and of distinct subscribers by zone, hour and segment: what the data costs without consent,
bounds or noise. Every part runs in a process of its own with two threads, so that its time starts cold and its memory is
its own. The targets are those of the full size; `--peers` puts a release of ten million beside its peers instead.
"""

# ruff: noqa: PLC0415 (each part runs in its own process and imports what it needs)
import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from marketplace.privacy.specification import Specification
from tests.benchmarks import _build_peers, _events
from tests.benchmarks._bench import Run, in_process_apart, remark
from tests.benchmarks._events import Country

SIZE, SMALLEST = 100_000_000, 100_000
"""Events."""
MOST_ACROSS = 100
"""Zones along a side of the country, which is a square of them; fewer where events are few."""
RESOLUTION = 7
MAX_CELLS, MAX_EVENTS = 64, 8
AIM, CLUSTER_CORES = 10_000_000_000, 256
"""Events of a large operator's fortnight, and a cluster that counts them."""


def say_nothing(_step: str, _share: float) -> None:
    """Say nothing."""


def zones_of_country(country: Country) -> list[str]:
    """Return as many H3 cells as the country has zones, around Paris, in the order of their names."""
    import h3

    cells = h3.grid_disk(h3.latlng_to_cell(48.85, 2.35, RESOLUTION), 60)
    return sorted(cells)[: country.zones]


def specification_of_country(country: Country) -> Specification:
    """Return what is asked for: presence by zone, hour and band, with Gaussian noise."""
    from marketplace.privacy.specification import Specification

    return Specification(
        dataset="country",
        purpose="p",
        zones=tuple(zones_of_country(country)),
        age_bands=_events.BANDS,
        resolution=RESOLUTION,
        grain="hour",
        period_from=_events.START,
        period_to=_events.START + dt.timedelta(days=country.days),
        max_cells=MAX_CELLS,
        max_events=MAX_EVENTS,
        epsilon_micro=8_000_000,
        mechanism="gaussian",
        delta_exponent=9,
    )


def tables(country: Country, folder: Path) -> None:
    """Write the operator's tables: subscribers, whose homes are H3 cells, and sites."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if (folder / "sites.parquet").exists():
        return
    names = zones_of_country(country)
    people = pq.read_table(folder / "subscribers.parquet")
    home = pa.DictionaryArray.from_arrays(people["home_zone"].combine_chunks().cast(pa.int32()), pa.array(names))
    own = people.set_column(people.schema.get_field_index("home_zone"), "home_zone", home.cast(pa.string()))
    pq.write_table(own, folder / "people.parquet")
    sites = pa.table({"site": [str(n) for n in range(len(names))], "zone": names})
    pq.write_table(sites, folder / "sites.parquet")


def bare(_country: Country, folder: Path) -> dict[str, float]:
    """Run R."""
    import duckdb

    database = duckdb.connect(config={"threads": "2", "memory_limit": "4GB", "temp_directory": str(folder / "spill")})
    database.execute("SET preserve_insertion_order = false; SET TimeZone = 'UTC'")
    start = perf_counter()
    database.execute(
        f"""COPY (SELECT site, date_trunc('hour', e."at") AS hour, s.age_band, count(*) AS events,
                         count(DISTINCT e.subscriber_id) AS people
                  FROM read_parquet('{folder}/events/*/*.parquet', hive_partitioning = false) AS e
                  JOIN read_parquet('{folder}/subscribers.parquet') AS s USING (subscriber_id)
                  GROUP BY ALL) TO '{folder}/bare.parquet' (FORMAT parquet)"""
    )
    return {"seconds": perf_counter() - start}


def ingest_country(_country: Country, folder: Path) -> dict[str, float]:
    """Ingest everything into an empty store."""
    from marketplace.core import object_store
    from marketplace.datasets.builds.event_store import Store
    from marketplace.datasets.builds.ingest import ingest
    from marketplace.datasets.population.operator_tables import read_sites, read_subscribers

    shutil.rmtree(folder / "objects", ignore_errors=True)
    start = perf_counter()
    own = {
        "subscribers": read_subscribers([folder / "people.parquet"], folder / "scratch").parquet,
        "sites": read_sites([folder / "sites.parquet"], folder / "scratch"),
    }
    ingest(
        Store(object_store.store()), sorted(folder.glob("events/*/*.parquet")), folder / "scratch" / "rows", tables=own
    )
    return {"seconds": perf_counter() - start}


def release_country(country: Country, folder: Path, engine: str) -> dict[str, float]:
    """Make the whole release from the store: consent, bounds, cells, noise, threshold, manifest, files.

    Libraries load before the clock starts, as they do for R and for the peers; pyarrow would load these when first asked.
    """
    import pandas as pd  # noqa: F401
    import pyarrow.compute
    import pyarrow.dataset  # noqa: F401
    import pyarrow.parquet as pq

    from marketplace.datasets.builds.aggregation import Aggregation
    from marketplace.privacy import drawing
    from marketplace.privacy.cell_choice import hash_keys

    started = _events.START + dt.timedelta(days=country.days, hours=1)
    spent: dict[str, float] = {}
    start = perf_counter()
    with Aggregation(specification_of_country(country), folder / "build", engine) as build:
        build.check(None, None)
        spent["check"] = perf_counter() - start
        consent = pq.read_table(folder / "consent.parquet")
        columns = tuple(consent[name].to_numpy() for name in consent.column_names)
        answer = build.ask(columns, hash_keys(b"secret", "digest"), started, say_nothing)
        spent["count"] = perf_counter() - start - spent["check"]
        drawn: list[float] = []

        def draw(*given: Any, of: Any = drawing.draw) -> Any:
            begun = perf_counter()
            found = of(*given)
            drawn.append(perf_counter() - begun)
            return found

        drawing.draw = draw
        outcome = build.release(say_nothing)
        spent["noise"] = drawn[0]
        spent["cells"] = float(outcome.figures["row_count"])
        spent["people"] = float(int(answer.people.sum(dtype="int64")))
        spent["events_kept"] = float(int(answer.events.sum()))
    spent["seconds"] = perf_counter() - start
    return spent


def noise(country: Country, _folder: Path) -> dict[str, float]:
    """Draw one noise for every key of the release, on one core; its own processor time counts."""
    from marketplace.privacy import sampler

    s = specification_of_country(country)
    law = s.law("people")
    table = sampler.table(law.kind, law.scale)
    start = process_time()
    drawn = table.draw(b"k" * 32, "people", s.key_count)
    return {"keys": float(len(drawn)), "drawing": process_time() - start}


def run_part(work: Callable[..., dict[str, float]], *given: object) -> dict[str, float]:
    """Run a part in its own process, as the commands keep memory; return what it spent."""
    from marketplace.core.freed_memory import keep_freed_memory

    keep_freed_memory()
    return work(*given)


def part(prepared: tuple[Country, Path], work: Callable[..., dict[str, float]], *engine: str) -> dict[str, float]:
    """Run one part in a process of its own, and return what it spent."""
    country, folder = prepared
    os.environ |= {
        "PARTAGE_OBJECTS": (folder / "objects").as_uri(),
        "BUILD_MEMORY_MB": "3500",
        "PARTAGE_STATE": str(folder / "state"),
        "OMP_NUM_THREADS": "2",
    }
    spent, memory = in_process_apart(run_part, work, country, folder, *engine)
    spent |= {"memory": memory}
    remark(f"{work.__name__} {' '.join(engine)}: {' '.join(f'{key} {value:.2f}' for key, value in spent.items())}")
    return spent


def better(
    prepared: tuple[Country, Path], work: Callable[..., dict[str, float]], *engine: str, times: int = 2
) -> dict[str, float]:
    """Run one part twice, or more often, and return what the fastest run spent: memory that nobody had for a while is slow."""
    return min((part(prepared, work, *engine) for _ in range(times)), key=lambda spent: spent["seconds"])


def prepare_country(events: int, side: int) -> tuple[Country, Path]:
    """Write a country and the operator's tables, unless they are there."""
    root = Path(tempfile.gettempdir()) / "partage-bench"
    root.mkdir(exist_ok=True)
    country = _events.Country(events, events // 50, side)
    own = _events.write_country(country, root)
    tables(country, own)
    return country, own


def main(run: Run) -> None:
    """Print a line a figure."""
    events, side = run.size, min(MOST_ACROSS, max(1, run.size // 100_000))
    if run.peers:
        beside = prepare_country(min(events, _build_peers.MOST_EVENTS), side)
        part(beside, ingest_country)
        # Less than a second, and peers take minutes: theirs is hardly longer where memory is slow at first.
        _build_peers.main(run, beside, better(beside, release_country, "kernel", times=5)["seconds"])
        return
    whole = prepare_country(events, side)
    against = f"against R, the bare GROUP BY of {events:,} events"
    r = better(whole, bare)["seconds"]
    run.figure("bare", f"{r:.1f}", f"s is R, {against}")
    spent = better(whole, ingest_country)
    warm = better(whole, release_country, "kernel")
    run.figure("warm", f"{warm['seconds'] / r:.3f}", f"{against}: {warm['seconds']:.1f} s, aim 0.20, never above 0.23")
    cold = spent["seconds"] + warm["seconds"]
    run.figure("cold", f"{cold / r:.3f}", f"{against}: {cold:.1f} s with ingestion, aim 0.5, never above 0.53")
    drawn = part(whole, noise)
    a_second = drawn["keys"] / drawn["drawing"] / 1e6
    run.figure("noise", f"{a_second:.1f}", f"million keys a second on one core, of {drawn['keys']:,.0f}: at least 10")
    memory = max(spent["memory"], warm["memory"])
    run.figure("memory", f"{memory:.2f}", "GB at the peak of ingestion and release, aim 1.5, never above 1.9")
    sql = part(whole, release_country, "duckdb")
    under = f"{sql['seconds']:.1f} s under 4 GB, aim 0.9, never above 0.95"
    run.figure("sql", f"{sql['seconds'] / r:.3f}", f"{against}: {under}")
    assert all(sql[name] == warm[name] for name in ("people", "events_kept")), "both engines count alike"
    small = prepare_country(events // 10, side)
    less = part(small, ingest_country)["seconds"] + part(small, release_country, "kernel")["count"]
    grown = (spent["seconds"] + warm["count"]) / less
    run.figure("linear", f"{grown:.2f}", "times the time for ten times the events, at most about 10")
    spark = part(whole, release_country, "spark")["count"]
    run.figure("spark", f"{spark / sql['count']:.2f}", f"times DuckDB's count: {spark:.1f} s, aim 3, never above 3.8")
    extrapolate(run, {events // 10: part(small, release_country, "spark")["count"], events: spark})


def extrapolate(run: Run, spent: dict[int, float]) -> None:
    """Print what AIM events would take on a Spark cluster, from what two sizes took here: events → seconds, on two cores.

    The time of a size is fixed + slope × events, the line through both. What is fixed (the session, planning) is paid
    once; the slope is work that a cluster divides among its cores, shuffle included, as two divided it here. The sketch:
    SPARK_MASTER names the cluster, whose workers see PARTAGE_STATE; the store's buckets lie there as Parquet; rows are
    brought together by subscriber once, and since what one counts in needs nobody else's events, the sum of cells alone
    crosses that. That the line goes on so far beyond both sizes is what this cannot show.
    """
    (few, first), (many, second) = sorted(spent.items())
    slope = (second - first) / (many - few)
    fixed = max(0.0, first - slope * few)
    seconds = slope * AIM
    run.figure(
        "spark-10-billion",
        f"{seconds * 2 / 3600:.0f}",
        f"core-hours for {AIM:,} events on Spark, by the line through "
        f"{few:,} events in {first:.1f} s and {many:,} in {second:.1f} s on two cores: {fixed:.1f} s once and "
        f"{slope * 1e6:.2f} s a million; {(fixed + seconds * 2 / CLUSTER_CORES) / 60:.0f} minutes on {CLUSTER_CORES} cores",
    )
