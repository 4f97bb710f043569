"""The Piccolo app whose migrations make the whole schema."""

from __future__ import annotations

import importlib
from pathlib import Path

from piccolo.conf.apps import AppConfig
from piccolo.table import Table

SLICES = (
    "identity", "ledger", "consent", "payments", "datasets", "catalogue", "purchases", "auctions", "delivery", "earnings",
    "finance", "jobs",
)  # fmt: skip


def tables() -> list[type[Table]]:
    """Return every table of every slice, lower floors first."""
    found: list[type[Table]] = []
    for name in (f"{slice_}.tables" for slice_ in SLICES):
        module = importlib.import_module(f"marketplace.{name}")
        found += [
            item
            for item in vars(module).values()
            if isinstance(item, type) and issubclass(item, Table) and item.__module__ == module.__name__
        ]
    return found


APP_CONFIG = AppConfig(
    app_name="partage", migrations_folder_path=str(Path(__file__).parent / "history"), table_classes=tables()
)
