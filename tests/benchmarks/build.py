"""`build`: a private release of a country against the bare GROUP BY on the same Parquet, in one run.

R is DuckDB's count of rows and of distinct subscribers by zone, hour and segment: what the data costs without consent,
bounds or noise. Every part runs in a process of its own with two threads, so that its time starts cold and its memory is
its own. PARTAGE_BENCH_EVENTS makes the country smaller; the targets are those of the full size.
"""

# ruff: noqa: PLC0415 (each part runs in its own process and imports what it needs)
from __future__ import annotations

import datetime as dt
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run with -P: our own folder has a copy.py, which is not the standard library's

from tests.benchmarks import _events  # noqa: E402 (run as a script too)

if TYPE_CHECKING:
    from collections.abc import Callable

    from marketplace.privacy.specification import Specification

EVENTS = int(os.environ.get("PARTAGE_BENCH_EVENTS", "100000000"))
COUNTRY = _events.Country(EVENTS, EVENTS // 50)
RESOLUTION = 7
MAX_CELLS, MAX_EVENTS = 64, 8
AIM, CLUSTER_CORES = 10_000_000_000, 256
"""Events of a large operator's fortnight, and a cluster that counts them."""


def quiet(_step: str, _share: float) -> None:
    """Say nothing."""


def zones() -> list[str]:
    """Return as many H3 cells as the country has zones, around Paris, in the order of their names."""
    import h3

    cells = h3.grid_disk(h3.latlng_to_cell(48.85, 2.35, RESOLUTION), 60)
    return sorted(cells)[: COUNTRY.zones]


def specification() -> Specification:
    """Return what is asked for: presence by zone, hour and band, with Gaussian noise."""
    from marketplace.privacy.specification import Specification

    return Specification(
        dataset="country",
        purpose="p",
        zones=tuple(zones()),
        age_bands=_events.BANDS,
        resolution=RESOLUTION,
        grain="hour",
        period_from=_events.START,
        period_to=_events.START + dt.timedelta(days=COUNTRY.days),
        max_cells=MAX_CELLS,
        max_events=MAX_EVENTS,
        epsilon_micro=8_000_000,
        mechanism="gaussian",
        delta_exponent=9,
    )


def tables(folder: Path) -> None:
    """Write the operator's tables: subscribers, whose homes are H3 cells, and sites."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if (folder / "sites.parquet").exists():
        return
    names = zones()
    people = pq.read_table(folder / "subscribers.parquet")
    home = pa.DictionaryArray.from_arrays(people["home_zone"].combine_chunks().cast(pa.int32()), pa.array(names))
    own = people.set_column(people.schema.get_field_index("home_zone"), "home_zone", home.cast(pa.string()))
    pq.write_table(own, folder / "people.parquet")
    sites = pa.table({"site": [str(n) for n in range(len(names))], "zone": names})
    pq.write_table(sites, folder / "sites.parquet")


def bare(folder: Path) -> dict[str, float]:
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


def ingested(folder: Path) -> dict[str, float]:
    """Ingest everything into an empty store."""
    from marketplace import object_store
    from marketplace.builds.event_store import Store
    from marketplace.builds.ingest import ingest
    from marketplace.operator_tables import read_sites, read_subscribers

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


def released(folder: Path, engine: str) -> dict[str, float]:
    """Make the whole release from the store: consent, bounds, cells, noise, threshold, manifest, files.

    Libraries load before the clock starts, as they do for R and for the peers; pyarrow would load these when first asked.
    """
    import pandas as pd  # noqa: F401
    import pyarrow.compute
    import pyarrow.dataset  # noqa: F401
    import pyarrow.parquet as pq

    from marketplace.builds.aggregation import Aggregation
    from marketplace.privacy import drawing
    from marketplace.privacy.cell_choice import hash_keys

    started = _events.START + dt.timedelta(days=COUNTRY.days, hours=1)
    spent: dict[str, float] = {}
    start = perf_counter()
    with Aggregation(specification(), folder / "build", engine) as build:
        build.check(None, None)
        spent["check"] = perf_counter() - start
        consent = pq.read_table(folder / "consent.parquet")
        columns = tuple(consent[name].to_numpy() for name in consent.column_names)
        answer = build.ask(columns, hash_keys(b"secret", "digest"), started, quiet)
        spent["count"] = perf_counter() - start - spent["check"]
        drawn: list[float] = []

        def draw(*given: Any, of: Any = drawing.draw) -> Any:
            begun = perf_counter()
            found = of(*given)
            drawn.append(perf_counter() - begun)
            return found

        drawing.draw = draw
        outcome = build.release(quiet)
        spent["noise"] = drawn[0]
        spent["cells"] = float(outcome.figures["row_count"])
        spent["people"] = float(int(answer.people.sum(dtype="int64")))
        spent["events_kept"] = float(int(answer.events.sum()))
    spent["seconds"] = perf_counter() - start
    return spent


def noisy() -> dict[str, float]:
    """Draw one noise for every key of the release, on one core; its own processor time counts."""
    from marketplace.privacy import sampler

    s = specification()
    law = s.law("people")
    table = sampler.table(law.kind, law.scale)
    start = process_time()
    drawn = table.draw(b"k" * 32, "people", s.key_count)
    return {"keys": float(len(drawn)), "drawing": process_time() - start}


def part(folder: Path, name: str, engine: str = "") -> dict[str, float]:
    """Run one part in a process of its own, and return what it spent."""
    environment = os.environ | {
        "PARTAGE_OBJECTS": (folder / "objects").as_uri(),
        "BUILD_MEMORY_MB": "3500",
        "PARTAGE_STATE": str(folder / "state"),
        "OMP_NUM_THREADS": "2",
    }
    process = subprocess.run(
        [sys.executable, "-P", __file__, str(folder), name, engine],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    spent: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    print(f"# {name} {engine}: {' '.join(f'{key} {value:.2f}' for key, value in spent.items())}", file=sys.stderr)
    return spent


def better(folder: Path, name: str, engine: str = "", *, times: int = 2) -> dict[str, float]:
    """Run one part twice, or more often, and return what the fastest run spent: memory that nobody had for a while is slow."""
    return min((part(folder, name, engine) for _ in range(times)), key=lambda spent: spent["seconds"])


def prepare(country: _events.Country, folder: Path) -> Path:
    """Write the country and the operator's tables, unless they are there."""
    own = _events.write(country, folder)
    tables(own)
    return own


def main(*, peers: bool) -> None:
    """Print a line a figure."""
    root = Path(tempfile.gettempdir()) / "partage-bench"
    root.mkdir(exist_ok=True)
    if peers:
        from tests.benchmarks import _build_peers

        country = replace(COUNTRY, events=_build_peers.EVENTS, subscribers=_build_peers.EVENTS // 50)
        folder = prepare(country, root)
        part(folder, "ingested")
        # Less than a second, and peers take minutes: theirs is hardly longer where memory is slow at first.
        _build_peers.main(folder, better(folder, "released", "kernel", times=5)["seconds"])
        return
    folder = prepare(COUNTRY, root)
    against = f"against R, the bare GROUP BY of {EVENTS:,} events"
    r = better(folder, "bare")["seconds"]
    print(f"build bare {r:.1f} s is R, {against}", flush=True)
    spent = better(folder, "ingested")
    warm = better(folder, "released", "kernel")
    print(
        f"build warm {warm['seconds'] / r:.3f} {against}: {warm['seconds']:.1f} s, aim 0.20, never above 0.23",
        flush=True,
    )
    cold = spent["seconds"] + warm["seconds"]
    print(f"build cold {cold / r:.3f} {against}: {cold:.1f} s with ingestion, aim 0.5, never above 0.53", flush=True)
    noise = part(folder, "noise")
    print(
        f"build noise {noise['keys'] / noise['drawing'] / 1e6:.1f} million keys a second on one core, of "
        f"{noise['keys']:,.0f}: at least 10",
        flush=True,
    )
    memory = max(spent["memory"], warm["memory"])
    print(f"build memory {memory:.2f} GB at the peak of ingestion and release, aim 1.5, never above 1.9", flush=True)
    sql = part(folder, "released", "duckdb")
    print(
        f"build sql {sql['seconds'] / r:.3f} {against}: {sql['seconds']:.1f} s under 4 GB, aim 0.9, never above 0.95",
        flush=True,
    )
    assert all(sql[name] == warm[name] for name in ("people", "events_kept")), "both engines count alike"
    small_events = EVENTS // 10
    small = prepare(replace(COUNTRY, events=small_events, subscribers=COUNTRY.subscribers // 10), root)
    less = part(small, "ingested")["seconds"], part(small, "released", "kernel")
    grown = (spent["seconds"] + warm["count"]) / (less[0] + less[1]["count"])
    print(f"build linear {grown:.2f} times the time for ten times the events, at most about 10", flush=True)
    spark = part(folder, "released", "spark")
    ratio = spark["count"] / sql["count"]
    print(f"build spark {ratio:.2f} times DuckDB's count: {spark['count']:.1f} s, aim 3, never above 3.8", flush=True)
    extrapolate({small_events: part(small, "released", "spark")["count"], EVENTS: spark["count"]})


def extrapolate(spent: dict[int, float]) -> None:
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
    print(
        f"build spark-10-billion {seconds * 2 / 3600:.0f} core-hours for {AIM:,} events on Spark, by the line through "
        f"{few:,} events in {first:.1f} s and {many:,} in {second:.1f} s on two cores: {fixed:.1f} s once and "
        f"{slope * 1e6:.2f} s a million; {(fixed + seconds * 2 / CLUSTER_CORES) / 60:.0f} minutes on {CLUSTER_CORES} cores",
        flush=True,
    )


def run(folder: Path, name: str, engine: str) -> None:
    """Run one part here and print what it spent, as JSON."""
    parts: dict[str, Callable[[], dict[str, float]]] = {
        "bare": lambda: bare(folder),
        "ingested": lambda: ingested(folder),
        "released": lambda: released(folder, engine),
        "noise": noisy,
    }
    from marketplace.freed_memory import keep_freed_memory

    keep_freed_memory()  # as the commands do
    spent = parts[name]()
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent["cpu"] = used.ru_utime + used.ru_stime
    spent["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "linux" else 1e9)
    print(json.dumps(spent))


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
