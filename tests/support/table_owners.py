"""Which package owns a table."""

from functools import cache

from tests.support.source import package_of, product_files, sql_files

OTHER_DATABASES = ("marketplace/datasets/builds/", "marketplace/demo/stripe_counterpart/")
"""DuckDB's and SQLite's: their tables are no tables of ours."""


@cache
def owner_of() -> dict[str, str]:
    """Return each table's package, by the table's name in the database."""
    from migrations.schema import tables  # noqa: PLC0415 (the sentences of the reader's tests need no tables)

    return {table._meta.tablename: package_of(table.__module__.replace(".", "/")) for table in tables()}


def files_with_sql() -> list[str]:
    """Return the files whose SQL runs in our database: Python, `queries.sql` and `functions.sql` of the packages."""
    paths = (*product_files(), *sql_files())
    return [path for path in paths if path.startswith("marketplace/") and not path.startswith(OTHER_DATABASES)]
