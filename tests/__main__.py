"""`python3 tests`: install what is missing, then run the tests; `deep` runs what takes longer, `bench NAME` one benchmark."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def bench(name: str, *, peers: bool) -> None:
    """Run `tests/benchmarks/NAME.py`, which prints a line a figure."""
    path = ROOT / "tests" / "benchmarks" / f"{name}.py"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("[a-z]*.py")))
        sys.exit(f"There is no benchmark {name}; there are: {known}.")
    specification = importlib.util.spec_from_file_location(f"bench_{name}", path)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    module.main(peers=peers)


def main() -> None:
    """Read the command line and hand over to pytest."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["bench"]:
        bench(arguments[1] if len(arguments) > 1 else "", peers="--peers" in arguments)
        return
    import pytest  # noqa: PLC0415 (there only once installed)

    from tests.programs import install_missing  # noqa: PLC0415

    # Several run at once: each with a thread a core would wait for the others' by spinning.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    install_missing()
    if arguments == ["deep"]:  # two at a time, then those whose clock must be theirs alone
        parts = (["deep and not alone", "-n", "2", "--dist", "worksteal"], ["deep and alone"])
        sys.exit(max(subprocess.call([sys.executable, "-m", "pytest", "-q", "tests", "-m", *part]) for part in parts))
    if arguments[:1] == ["deep"]:
        sys.exit(pytest.main(["-m", "deep", *arguments[1:]]))
    # Three on two cores: a third of a worker's time is spent waiting for the database, the browser and the disk.
    # Coverage costs a run a third of its time: it is measured by who asks for it.
    coverage = ["--cov", "--cov-report=term"] if os.environ.get("COVERAGE") else []
    whole = ["tests", "-q", "-n", "3", "--dist", "worksteal", *coverage]
    sys.exit(pytest.main(["-m", "not deep", *(arguments or whole)]))


if __name__ == "__main__":
    if not __package__:
        sys.path[0] = str(ROOT)
        from marketplace._bootstrap import ensure

        ensure("tests", "tests/requirements.lock")
    os.chdir(ROOT)
    main()
