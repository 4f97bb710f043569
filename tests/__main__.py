"""`python3 tests`: install what is missing, then run the tests; `deep` runs what takes longer than a second or so.

`bench NAME` runs one benchmark, `--smallest` at its smallest size, and `release DIRECTORY` makes what a release publishes.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKERS = ("-n", "3", "--dist", "worksteal")
"""Three on two cores: a third of a worker's time is spent waiting for the database, the browser and the disk."""


def main() -> None:
    """Read the command line; run tests with pytest, in the root of the repository."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["release"]:
        from tests import release  # noqa: PLC0415 (there only once installed)

        release.main(arguments[1:])
        return
    os.chdir(ROOT)
    if arguments[:1] == ["bench"]:
        from tests.benchmarks import _bench  # noqa: PLC0415 (there only once installed)

        _bench.run_command_line(arguments[1:])
        return
    import pytest  # noqa: PLC0415 (there only once installed)

    from tests.programs import install_missing  # noqa: PLC0415

    # What one process compiles the others need not: three workers, and each command that a test starts.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # Several run at once: each with a thread a core would wait for the others' by spinning.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    install_missing()
    # Coverage costs a run a third of its time: CI asks for it. The long tests add to what the others reach.
    measured = bool(os.environ.get("COVERAGE"))
    if arguments == ["deep"]:  # the last ones are those whose clock must be theirs alone
        added = ["--cov", "--cov-append", "--cov-report=term"] if measured else []
        parts = (["long and not deep", *WORKERS, *added], ["deep and not alone", *WORKERS], ["deep and alone"])
        sys.exit(max(subprocess.call([sys.executable, "-m", "pytest", "-q", "tests", "-m", *part]) for part in parts))
    if arguments[:1] == ["deep"]:
        sys.exit(pytest.main(["-m", "deep", *arguments[1:]]))
    if arguments:
        sys.exit(pytest.main(["-m", "not deep", *arguments]))
    begun = ["--cov", "--cov-report=", "--cov-fail-under=0"] if measured else []
    sys.exit(pytest.main(["-m", "not deep and not long", "tests", "-q", *WORKERS, *begun]))


if __name__ == "__main__":
    if not __package__:
        sys.path[0] = str(ROOT)
        from marketplace._bootstrap import ensure

        ensure("tests", "tests/requirements.lock")
    main()
