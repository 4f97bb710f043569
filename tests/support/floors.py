"""The floors of the code base, low to high: imports, foreign keys and SQL point down them, never up or sideways."""

from __future__ import annotations

from tests.support.source import product_files, slice_of

FLOORS = (
    {"pricing", "client"},
    {"digests", "errors", "freed_memory", "instants", "line_index", "memory_dumps", "personal_data"},
    {
        "clock",
        "csv_lines",
        "parquet_sizes",
        "local_time",
        "settings",
        "paging",
        "progress",
        "statements",
        "vat",
        "words",
    },
    {"database", "functions", "object_store", "tracing", "web", "working_folders"},
    {"locks", "privacy", "licensing", "sealing", "signing", "retracted"},
    {"backup", "messages", "log", "audit_trail", "simulation", "setting_checks", "environment_files"},
    {"cells_file", "manifest_file", "reconstruction", "sepa", "spark"},
    {"glance", "published_cells"},
    {"identity", "auction_kinds"},
    {"second_factors", "recovery", "identity_providers", "outgoing", "companies"},
    {"wallets"},
    {"mail", "ledger", "consent", "access", "sandbox"},
    {"payments", "switches", "credit"},
    {"builds", "stripe_accounts"},
    {"release_gate", "operator_tables", "subscriber_registry"},
    {"retractions"},
    {"zones", "map_layers"},
    {"datasets", "addresses"},
    {"footprints"},
    {"pictures"},
    {"catalogue"},
    {"stewardship", "interest"},
    {"purchases"},
    {"agreed_orders"},
    {"subscriptions"},
    {
        "dry_runs",
        "chosen_zones",
        "search",
        "claims",
        "duplicate_orders",
        "private_offers",
        "baskets",
        "auctions",
        "reverse_auctions",
        "delivery",
        "contributions",
    },
    {"requests", "trials", "deletions"},
    {"links"},
    {"delta_sharing", "metadata", "notifications"},
    {"bucket_exports", "population_density"},
    {"storefront", "auction_pages"},
    {"earnings"},
    {"payouts", "operators"},
    {"rewards"},
    {"bank", "einvoicing"},
    {"bank_rules"},
    {"finance"},
    {"bookkeeping"},
    {"transparency", "docs", "first_steps", "tour", "legal", "business"},
    {"desk"},
    {"invariants"},
    {"rights"},
    {"my_data"},
    {"webhooks", "jobs"},
    {"migrations"},
    {"health", "serving"},
    {"metrics"},
    {"app"},
    {"embedded"},
    {"commands"},
    {"__main__"},
)
"""Some are still to be built. `functions` is the `functions.sql` that all slices share. `migrations` calls slices' actions; `health` asks which of them wait."""
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
OFF_THE_FLOORS = {"__init__", "_bootstrap"}
"""What imports nothing of ours and is imported by none: the bootstrap runs before there are packages."""


def is_below(lower: str, upper: str) -> bool:
    """Return whether `upper` may use `lower`, which may be the same slice."""
    return lower == upper or FLOOR_OF[lower] < FLOOR_OF[upper]


def without_floor() -> list[str]:
    """Return the slices and single files that are on no floor."""
    return sorted({slice_of(path) for path in product_files()} - FLOOR_OF.keys() - OFF_THE_FLOORS)
