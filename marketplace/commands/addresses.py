"""`addresses`: The operator's addresses, loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from marketplace.commands.command import Command, on_database

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "file",
        type=Path,
        help="CSV, packed perhaps, or Parquet: number, suffix, street, postcode, town, longitude, latitude; or the columns of the Base Adresse Nationale",
    )


async def run(arguments: argparse.Namespace) -> None:
    """Load a file of addresses, in place of the one before, so that partners may write addresses; only hashes are kept."""
    from marketplace.datasets.geography.address_actions import load_addresses

    done = await load_addresses(arguments.file)
    print(f"{done.addresses:,} addresses are found by what people write.")
    if done.left_out:
        print(f"{done.left_out:,} rows have no number, street, postcode or place, and are left out.")


COMMAND = Command("addresses", on_database(run), arguments)
