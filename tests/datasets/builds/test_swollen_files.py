"""A small Parquet file that unpacks to gigabytes is refused in a sentence, and never unpacked."""

import resource
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marketplace.core.errors import Invalid
from marketplace.datasets.builds.input_files import EVENT_AT_SITE, open_checked, scratch_database

ROWS, LONG = 6_000, 1_500_000
"""Nine gigabytes, once each row has its text; one of them is within what a column may unpack to."""
READ = """
import sys
from pathlib import Path
from obstore.store import MemoryStore
from marketplace.datasets.builds.event_store import Store
from marketplace.datasets.builds.event_store_writer import Writer
from marketplace.datasets.builds.ingest import InputFile, Reader
from marketplace.core.errors import Invalid
file = Path(sys.argv[1])
try:
    Reader(Writer(Store(MemoryStore()), file.parent / "written"), file.parent / "scratch").read(InputFile(file, "bomb"))
except Invalid as refusal:
    print(refusal)
# Its own peak: what getrusage says has that of the process that forked it.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
MOST_BYTES = 6 << 30
MOST_KILOBYTES = 800_000


def bomb(file: Path, column: str, *, rows: int = ROWS, **how: object) -> Path:
    """Write events whose one long text is said once, in a dictionary."""
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["7" * LONG]))
    columns = {
        "subscriber_id": pa.array(range(rows)),
        "at": pa.array([1_772_000_000_000_000] * rows, pa.timestamp("us", "UTC")),
        "site": pa.array(["a"] * rows),
    }
    pq.write_table(pa.table(columns | {column: repeated}), file, store_schema=False, **how)
    assert file.stat().st_size < 1_000_000
    return file


def limited() -> None:
    """Have a process end that takes more than a machine has."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))


@pytest.mark.parametrize("column", ["site", "kind"])
def test_a_long_text_of_many_rows_is_refused_unread(tmp_path: Path, column: str) -> None:
    command = [sys.executable, "-c", READ, str(bomb(tmp_path / "bomb.parquet", column))]
    read = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limited)
    assert read.returncode == 0, read.stderr[-2000:]
    sentence, kilobytes = read.stdout.splitlines()
    assert f"the column {column} has texts longer than any that are known" in sentence
    assert int(kilobytes) < MOST_KILOBYTES


def test_a_column_that_unpacks_to_more_than_its_rows_need_is_not_opened(tmp_path: Path) -> None:
    file = bomb(tmp_path / "bomb.parquet", "site", rows=9)
    database = scratch_database(tmp_path)
    with pytest.raises(Invalid, match=r"bomb\.parquet: the column site has texts longer"):
        open_checked(database, "event_as_read", [file], EVENT_AT_SITE)
