"""What the benchmarks of `pricing` share: the best of a few timings, and a peer run in an environment of its own."""

import json
import subprocess
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """Return the least wall-clock time of `times` runs."""
    best = float("inf")
    for _ in range(times):
        start = perf_counter()
        work()
        best = min(best, perf_counter() - start)
    return best


def run_peer(package: str, program: str, given: object) -> Any:
    """Install `package` in a fresh environment, run `program` there with `given` as JSON on its input, return its JSON."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", package], check=True)
        process = subprocess.run(
            [python, "-c", program], input=json.dumps(given), stdout=subprocess.PIPE, text=True, check=True
        )
    return json.loads(process.stdout.splitlines()[-1])


