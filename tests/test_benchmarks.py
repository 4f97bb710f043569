"""Every benchmark runs as the command runs it, in a process of its own, and its lines are as people and programs read them."""

import os
import re
import subprocess
import sys

import pytest

from marketplace.core.postgres import EmbeddedPostgres
from tests.benchmarks._bench import benchmark_names
from tests.support.server import RUNNING
from tests.support.source import ROOT

FIGURE = re.compile(r"(?P<name>\w+) [\w-]+(\.[\w-]+)* -?\d+(\.\d+)? \S.*[a-z].*")
"""A figure: the benchmark, what is measured, the bare number, and what it was measured against."""

QUICK_TO_START = "-XX:TieredStopAtLevel=1"
"""Spark spends most of a minute on compiling what it then runs once."""


@pytest.mark.deep
@pytest.mark.parametrize("name", benchmark_names())
def test_a_benchmark_prints_figures_at_its_smallest_size(name: str, postgres: EmbeddedPostgres) -> None:
    done = subprocess.run(
        [sys.executable, "tests", "bench", name, "--smallest"],
        cwd=ROOT,
        env=os.environ | {RUNNING: str(postgres.folder), "JAVA_TOOL_OPTIONS": QUICK_TO_START},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines
    for line in lines:
        found = FIGURE.fullmatch(line)
        assert found, line
        assert found["name"] == name, line
