"""The Piccolo app of the whole schema: the slices' tables, their `functions.sql`, and the folder of migrations."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from piccolo.conf.apps import AppConfig
from piccolo.table import Table

import marketplace

APP_NAME = "partage"
HISTORY = Path(__file__).parent / "history"
SLICES = (
    "backup",
    "messages",
    "audit_trail",
    "log",
    "identity",
    "mail",
    "second_factors",
    "recovery",
    "identity_providers",
    "outgoing",
    "wallets",
    "sandbox",
    "ledger",
    "consent",
    "switches",
    "payments",
    "credit",
    "retractions",
    "map_layers",
    "addresses",
    "zones",
    "datasets",
    "footprints",
    "catalogue",
    "interest",
    "purchases",
    "chosen_zones",
    "search",
    "business",
    "einvoicing",
    "requests",
    "subscriptions",
    "claims",
    "deletions",
    "bucket_exports",
    "private_offers",
    "duplicate_orders",
    "trials",
    "auctions",
    "reverse_auctions",
    "delivery",
    "links",
    "delta_sharing",
    "notifications",
    "population_density",
    "contributions",
    "earnings",
    "operators",
    "payouts",
    "rewards",
    "bank",
    "bank_rules",
    "finance",
    "bookkeeping",
    "transparency",
    "legal",
    "rights",
    "my_data",
    "jobs",
)


def tables() -> list[type[Table]]:
    """Return every table of every slice, lower floors first."""
    found: list[type[Table]] = []
    for slice_ in SLICES:
        if importlib.util.find_spec(f"marketplace.{slice_}.tables") is None:
            continue  # it has functions alone
        module = importlib.import_module(f"marketplace.{slice_}.tables")
        found += [
            item
            for item in vars(module).values()
            if isinstance(item, type) and issubclass(item, Table) and item.__module__ == module.__name__
        ]
    return found


def function_files() -> list[Path]:
    """Return the files of functions, triggers and indexes: what all slices share, then the slices', lower floors first."""
    (root,) = marketplace.__path__
    folders = [Path(root), *(Path(root) / slice_ for slice_ in SLICES)]
    return [path for folder in folders if (path := folder / "functions.sql").is_file()]


APP_CONFIG = AppConfig(app_name=APP_NAME, migrations_folder_path=str(HISTORY), table_classes=tables())
