"""The same release by three peers, each in an environment of its own, against ours, on the same events.

Each bounds what a person counts in to 64 zone-hours and 8 events in each, counts people and events by zone, hour and
age band, and adds Gaussian noise. None of them takes consent into account: their input is what consent covers.
"""

import json
import subprocess
import tempfile
import venv
from pathlib import Path
from time import perf_counter

import duckdb

from tests.benchmarks._bench import Run, remark
from tests.benchmarks._events import Country

MOST_EVENTS = 10_000_000

OPENDP = """
import json, sys, time
import polars as pl, opendp.prelude as dp
dp.enable_features("contrib", "honest-but-curious")
start = time.perf_counter()
by = ["key"]
context = dp.Context.compositor(
    data=pl.scan_parquet(sys.argv[1]),
    privacy_unit=dp.unit_of(contributions=1, identifier=pl.col("who")),
    privacy_loss=dp.loss_of(rho=0.5, delta=1e-9),
    split_evenly_over=2,
    margins=[dp.polars.Margin(by=by, max_length=2**31, max_groups=23_520_000)],
)
cells = 0
for most in (1, 8):  # of each person in a cell: people are counted, then events
    query = context.query().truncate_per_group(most, by=by).truncate_num_groups(64, by=by, keep="first")
    cells += len(query.group_by(*by).agg(dp.len()).release().collect())
print(json.dumps({"seconds": time.perf_counter() - start, "cells": cells}))
"""

PIPELINEDP = """
import json, sys, time
import pipeline_dp
import pyarrow.parquet as pq
start = time.perf_counter()
table = pq.read_table(sys.argv[1])
rows = list(zip(*(table[name].to_pylist() for name in ("who", "zone", "hour", "band"))))
accountant = pipeline_dp.NaiveBudgetAccountant(total_epsilon=8, total_delta=1e-9)
engine = pipeline_dp.DPEngine(accountant, pipeline_dp.LocalBackend())
parameters = pipeline_dp.AggregateParams(
    metrics=[pipeline_dp.Metrics.PRIVACY_ID_COUNT, pipeline_dp.Metrics.COUNT],
    noise_kind=pipeline_dp.NoiseKind.GAUSSIAN,
    max_partitions_contributed=64, max_contributions_per_partition=8,
)
extractors = pipeline_dp.DataExtractors(
    privacy_id_extractor=lambda row: row[0], partition_extractor=lambda row: row[1:], value_extractor=lambda row: 0,
)
found = engine.aggregate(rows, parameters, extractors)
accountant.compute_budgets()
cells = len(list(found))
print(json.dumps({"seconds": time.perf_counter() - start, "cells": cells}))
"""

TUMULT = """
import json, os, sys, time
os.environ["PYSPARK_PYTHON"] = sys.executable
from pyspark.sql import SparkSession
from tmlt.analytics import (
    AddRowsWithID, KeySet, MaxGroupsPerID, MaxRowsPerGroupPerID, QueryBuilder, RhoZCDPBudget, Session,
)
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config(
    "spark.driver.memory", "6g").getOrCreate()
start = time.perf_counter()
frame = spark.read.parquet(sys.argv[1])
frame = frame.select("who", "key")
keys = KeySet.from_dataframe(frame.select("key").distinct())
session = Session.from_dataframe(RhoZCDPBudget(0.5), "events", frame, protected_change=AddRowsWithID("who"))
cells = 0
for most in (1, 8):  # of each person in a cell: people are counted, then events
    query = (
        QueryBuilder("events").enforce(MaxGroupsPerID("key", 64)).enforce(MaxRowsPerGroupPerID("key", most))
        .groupby(keys).count()
    )
    cells += session.evaluate(query, RhoZCDPBudget(0.25)).count()
print(json.dumps({"seconds": time.perf_counter() - start, "cells": cells}))
"""

PEERS = (
    ("OpenDP's Polars context", "opendp[polars]", OPENDP, 75),
    ("PipelineDP, local", "pipeline-dp pyarrow", PIPELINEDP, 94),
    ("Tumult, local Spark", "tmlt.analytics", TUMULT, 503),
)


def events(folder: Path, file: Path) -> None:
    """Write what consent covers, as every peer takes it: who, zone, hour, age band."""
    duckdb.sql(
        f"""COPY (SELECT e.subscriber_id AS who, e.site AS zone,
                         CAST(epoch(e."at") // 3600 AS INTEGER) AS hour, s.age_band AS band,
                         concat_ws('-', e.site, CAST(epoch(e."at") // 3600 AS INTEGER), s.age_band) AS key
                  FROM read_parquet('{folder}/events/*/*.parquet', hive_partitioning = false) AS e
                  JOIN read_parquet('{folder}/subscribers.parquet') AS s USING (subscriber_id)
                  JOIN read_parquet('{folder}/consent.parquet') AS c
                      ON c.subscriber_id = e.subscriber_id AND c.valid_from_us <= epoch_us(e."at")) TO '{file}' (FORMAT parquet)"""
    )


def run_build_peer(packages: str, program: str, file: Path) -> dict[str, float] | str:
    """Install, run and return what it spent, or the last line of what went wrong."""
    with tempfile.TemporaryDirectory() as name:
        venv.create(name, with_pip=True)
        python = str(Path(name) / "bin" / "python")
        for command in (
            [python, "-m", "pip", "install", "-q", *packages.split()],
            [python, "-c", program, str(file)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=name)
            if done.returncode:
                return (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(run: Run, prepared: tuple[Country, Path], ours: float) -> None:
    """Print a line a peer: how many times longer it takes than our release, which took `ours` seconds."""
    country, folder = prepared
    file = folder / "covered.parquet"
    events(folder, file)
    for name, packages, program, least in PEERS:
        start = perf_counter()
        spent = run_build_peer(packages, program, file)
        if isinstance(spent, str):
            remark(f"build {name}: cannot be run here ({spent})")
        else:
            run.figure(
                packages.split()[0].split("[")[0].replace(".", "-"),
                f"{spent['seconds'] / ours:.1f}",
                f"times our release's time ({ours:.2f} s, the fastest of five) for {name}, {country.events:,} events: "
                f"{spent['seconds']:.0f} s, aim 100, never below {least}",
            )
        remark(f"{name}: {perf_counter() - start:.0f} s with its installation")
