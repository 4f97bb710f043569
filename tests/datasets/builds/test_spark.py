"""Files by Spark's own buckets: where it looks for the rows of an id is where they are, beside each other."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from marketplace.datasets.builds.spark import BUCKETS, bucket_files, buckets_of, start_spark


def test_rows_are_in_the_files_of_their_buckets(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    ids, others = rng.integers(-(2**63), 2**63 - 1, (2, 5_000))
    with bucket_files(tmp_path / "rows", ("id", "other")) as files:
        for start in range(0, 5_000, 1_000):
            some = slice(start, start + 1_000)
            files.write(buckets_of(ids[some]), ids[some], (ids[some], others[some]))
    found = []
    for bucket, path in enumerate(sorted((tmp_path / "rows").iterdir())):
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):  # of one call each
            assert np.all(np.diff(file.read_row_group(group)["id"].to_numpy().astype(object)) > 0)
        table = file.read()
        assert set(buckets_of(table["id"].to_numpy())) <= {bucket}
        found += zip(*(table[name].to_pylist() for name in ("id", "other")), strict=True)
    assert sorted(found) == sorted(zip(ids.tolist(), others.tolist(), strict=True))


@pytest.mark.deep
def test_buckets_are_those_of_spark() -> None:
    pytest.importorskip("pyspark", reason="Spark is an extra")
    session = start_spark("local[1]", 1024)
    ids = [0, 1, -1, 2**63 - 1, 2**32, *np.random.default_rng(2).integers(-(2**63), 2**63 - 1, 1_000).tolist()]
    listed = ", ".join(f"({number}L)" for number in ids)
    rows = session.sql(f"SELECT id, pmod(hash(id), {BUCKETS}) AS bucket FROM VALUES {listed} AS t(id)").collect()
    assert [row.bucket for row in rows] == buckets_of(np.array([row.id for row in rows], np.int64)).tolist()
