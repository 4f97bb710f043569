"""Programs that read the simulated week; its first lines are comments."""

from __future__ import annotations

from typing import Final

PROGRAMS: Final = (
    (
        "pandas",
        'import pandas as pd\n\ncells = pd.read_csv("{address}", comment="#")\nprint(cells.groupby("zone")["people"].sum())',
    ),
    (
        "DuckDB",
        "import duckdb\n\nprint(duckdb.sql(\"SELECT zone, sum(people) FROM read_csv('{address}', comment = '#') GROUP BY zone\"))",
    ),
    ("R", 'cells <- read.csv("{address}", comment.char = "#")\naggregate(people ~ zone, cells, sum)'),
    ("curl", 'curl -s "{address}" | head'),
)


def programs_of(address: str) -> list[tuple[str, str]]:
    """Return programs, by name, that read the simulated week at an address."""
    return [(name, text.format(address=address)) for name, text in PROGRAMS]
