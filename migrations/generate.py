"""Write the initial schema from the packages' `tables.py`, where each column, CHECK and key is stated once.

`python -m migrations.generate` rewrites `history/m0001_initial.sql` after a change of the tables. It does so only while
that is the one migration: later, a change of the tables needs its own migration.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import TYPE_CHECKING

from piccolo.columns import UUID, BigSerial, Serial

from migrations.schema import HISTORY, tables

if TYPE_CHECKING:
    from piccolo.columns.base import Column
    from piccolo.table import Table

INITIAL = HISTORY / "m0001_initial.sql"
HEADING = """-- Every table, by package, each after those that it refers to.
-- Written from the packages' tables.py by `python -m migrations.generate`; not edited by hand.
-- Functions, triggers and indexes are in the packages' functions.sql.
"""


def initial_sql() -> str:
    """Return the statements that create every table, lower floors first."""
    parts, package = [HEADING], ""
    for table in tables():
        if table.__module__ != package:
            package = table.__module__
            parts.append(f"\n\n-- {_in_words(package)}\n")
        parts.append(f"\n{table_sql(table)}")
    return "".join(parts)


def _in_words(module: str) -> str:
    """Return the name of a `tables.py`'s package in words: "audit trail" for marketplace.people.audit_trail.tables."""
    return " / ".join(module.split(".")[1:-1]).replace("_", " ")


def table_sql(table: type[Table]) -> str:
    """Return one table's CREATE TABLE: its columns in their order, then its named constraints."""
    stated = _stated_defaults(table)
    lines = [_column_sql(column, has_default=column._meta.name in stated) for column in table._meta.columns]
    parts = getattr(table, "partitioned_by", "")
    if parts:  # Piccolo requires a column marked as the key; each part has its own.
        lines = [line.replace(" PRIMARY KEY", "") for line in lines]
    lines += [f'CONSTRAINT "{constraint._meta.name}" {constraint.ddl}' for constraint in table._meta.constraints]
    return (
        f'CREATE TABLE "{table._meta.tablename}" (\n    '
        + ",\n    ".join(lines)
        + f"\n){f' PARTITION BY {parts}' if parts else ''};\n"
    )


def _column_sql(column: Column, *, has_default: bool) -> str:
    """Return a column's definition as Piccolo writes it, with two exceptions.

    A default is written only where `tables.py` states one: Piccolo's own ('', 0, now) would hide a value that an INSERT
    forgot. ON UPDATE CASCADE is left out: keys never change.
    """
    sql, _, default = column.ddl.replace(" ON UPDATE CASCADE", "").partition(" DEFAULT ")
    if isinstance(column, (BigSerial, Serial)) or default == "null":
        return sql
    if has_default or (column._meta.primary_key and isinstance(column, UUID)):
        return f"{sql} DEFAULT {default}"
    return sql


def _stated_defaults(table: type[Table]) -> set[str]:
    """Return the names of the columns whose definition in `tables.py` has `default=`."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(table))).body
    assert isinstance(definition, ast.ClassDef)
    found = set()
    for line in definition.body:
        if isinstance(line, (ast.Assign, ast.AnnAssign)) and isinstance(line.value, ast.Call):
            target = line.targets[0] if isinstance(line, ast.Assign) else line.target
            if any(keyword.arg == "default" for keyword in line.value.keywords):
                found.add(ast.unparse(target))
    return found


def main() -> None:
    """Rewrite the initial schema's file, unless other migrations were made on top of it."""
    later = sorted(path.name for path in HISTORY.glob("m*.py") if path.stem != INITIAL.stem)
    if later:
        raise SystemExit(f"{INITIAL.name} is frozen, for {later[0]} builds on it: write a migration.")
    INITIAL.write_text(initial_sql())


if __name__ == "__main__":
    main()
