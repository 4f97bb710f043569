"""The manual's page of personal data, written from the tables' declarations: `python -m tests.personal_data`."""

from typing import Final

from piccolo.table import Table

from migrations.schema import tables
from tests.support.ratchet import rule
from tests.support.source import ROOT, Finding, text_of

PAGE: Final = ROOT / "marketplace/site/docs/reference/personal-data.md"
HEAD: Final = """# Personal data

Every table: whose data is in it, how long its rows stay, whether a person's own export has them, and what erasing a
person does to them. The export is the copy that each person can download. Each table declares it in its class; this page
is written by `python -m tests.personal_data`.

| table | whose | kept | in the export | erasing a person |
|---|---|---|---|---|
"""


def page_of_tables() -> str:
    """Return the page as the tables declare it."""
    return HEAD + "".join(
        f"| {' | '.join(cells_of_table(table))} |\n" for table in tables() if hasattr(table, "personal_data")
    )


def cells_of_table(table: type[Table]) -> tuple[str, ...]:
    """Return a table's line of the page."""
    declared = table.personal_data  # type: ignore[attr-defined]
    people = ", ".join(one.value for one in declared.of) or "nobody"
    return (
        f"`{table._meta.tablename}`",
        people,
        declared.kept,
        "yes" if declared.exported else "no",
        declared.erasure.value,
    )


@rule
def undeclared_tables() -> list[Finding]:
    """Return the tables that do not declare whose personal data they have."""
    return [
        Finding(path, line_of_class(path, table.__name__), f"{table.__name__} has no `personal_data = …`")
        for table in tables()
        if not hasattr(table, "personal_data")
        for path in [table.__module__.replace(".", "/") + ".py"]
    ]


def line_of_class(path: str, name: str) -> int:
    """Return the line of a class."""
    return text_of(path)[: text_of(path).index(f"class {name}(")].count("\n") + 1


if __name__ == "__main__":
    PAGE.write_text(page_of_tables())
