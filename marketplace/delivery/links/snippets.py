"""Texts to paste into programs that read a file by its link, and whether our tests run them.

A Python text leaves the rows in `cells`.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from marketplace.core.words import Words


class Snippet(Struct, frozen=True):
    """A text with the fields {parquet}, {csv}, {geoparquet}, {croissant} and {contract}: the file's addresses."""

    code: str
    title: str
    needs: Words
    text: str
    is_run: bool = True
    """Whether our tests run it unchanged."""

    def filled(self, addresses: dict[str, str]) -> str:
        """Return the text with the addresses in it."""
        return self.text.format_map(addresses)


SNIPPETS: Final = (
    Snippet(
        "pandas",
        "pandas",
        Words("pip install pandas pyarrow"),
        """import pandas as pd

cells = pd.read_parquet("{parquet}")""",
    ),
    Snippet(
        "polars",
        "polars",
        Words("pip install polars"),
        """import polars as pl

cells = pl.scan_parquet("{parquet}").collect()""",
    ),
    Snippet(
        "duckdb",
        "DuckDB",
        Words("pip install duckdb pytz"),
        """import duckdb

cells = duckdb.sql("SELECT * FROM read_parquet('{parquet}')").fetchall()""",
    ),
    # Threads that read a Python file may abort the program as it ends: github.com/apache/arrow/issues/50482.
    Snippet(
        "pyarrow",
        "pyarrow",
        Words("pip install pyarrow fsspec aiohttp"),
        """import fsspec
import pyarrow.parquet as pq

with fsspec.open("{parquet}") as file:
    cells = pq.ParquetFile(file).read(use_threads=False)""",
    ),
    Snippet(
        "curl",
        "curl",
        Words("on the command line"),
        """curl --fail --remote-name --remote-header-name "{parquet}\"""",
    ),
    Snippet(
        "croissant",
        "mlcroissant",
        Words("pip install mlcroissant pandas pyarrow"),
        """import itertools

import mlcroissant

dataset = mlcroissant.Dataset("{croissant}")
cells = list(itertools.islice(dataset.records("cells"), 500))""",
    ),
    Snippet(
        "contract",
        "datacontract",
        Words("pip install 'datacontract-cli[duckdb]', beside the Parquet file"),
        """curl --fail --remote-name --remote-header-name "{contract}"
datacontract test contract.odcs.yaml""",
    ),
    Snippet(
        "r",
        "R",
        Words('install.packages("arrow")'),
        """cells <- arrow::read_parquet("{parquet}")""",
        is_run=False,
    ),
    Snippet(
        "qgis",
        "QGIS",
        Words("Layer › Add Vector Layer › Protocol HTTP"),
        "{geoparquet}",
        is_run=False,
    ),
    Snippet(
        "excel",
        "Excel",
        Words("Data › From Web"),
        "{csv}",
        is_run=False,
    ),
)
