"""The whole schema: the packages' tables, their `functions.sql`, and the folder of migrations."""

from __future__ import annotations

import importlib
from pathlib import Path

from piccolo.table import Table

import marketplace
from marketplace.core.districts import DISTRICTS

HISTORY = Path(__file__).parent / "history"


def tables() -> list[type[Table]]:
    """Return every table: by district, lower floors first, each package after those that its keys refer to."""
    found: dict[str, list[type[Table]]] = {}

    def add(module: str) -> None:
        if module not in found:
            own = found[module] = _tables_in(module)
            others = [other.__module__ for table in own for other in _referred_to(table)]
            for other in others:
                add(other)
            found[module] = found.pop(module)  # after the tables that it refers to

    for folder in _packages():
        for path in sorted(folder.glob("*tables.py")):
            add(f"marketplace.{folder.parent.name}.{folder.name}.{path.stem}")
    return [table for own in found.values() for table in own]


def _packages() -> list[Path]:
    """Return the folders of all packages, by district."""
    (root,) = marketplace.__path__
    return [path.parent for name in DISTRICTS for path in sorted((Path(root) / name).glob("*/__init__.py"))]


def _tables_in(module: str) -> list[type[Table]]:
    return [
        item
        for item in vars(importlib.import_module(module)).values()
        if isinstance(item, type) and issubclass(item, Table) and item.__module__ == module
    ]


def _referred_to(table: type[Table]) -> list[type[Table]]:
    return [key._foreign_key_meta.resolved_references for key in table._meta.foreign_key_columns]  # noqa: SLF001 (Piccolo has no other way)


def function_files() -> list[Path]:
    """Return the files of functions, triggers and indexes: the shared one, then the packages', lower floors first."""
    (root,) = marketplace.__path__
    files = [Path(root) / "core" / "functions.sql", *(folder / "functions.sql" for folder in _packages())]
    return [path for path in files if path.is_file()]
