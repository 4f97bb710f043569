"""Loading the operator's table of addresses: a whole file that replaces the previous one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import copy_columns, execute, execute_long, fetch_row, transaction
from marketplace.core.errors import Invalid
from marketplace.core.locks import lock
from marketplace.datasets.builds.digests import sha256_of
from marketplace.datasets.geography.address_files import read_addresses
from marketplace.datasets.geography.address_tables import AddressLoad

if TYPE_CHECKING:
    from pathlib import Path

TOWNS = """
INSERT INTO address_town (load, town, postcode)
SELECT $1, given.town, given.postcode
FROM unnest($2::bigint[], $3::text[]) AS given (town, postcode)
"""


class Loaded(Struct, frozen=True):
    """The result of loading a file of addresses."""

    addresses: int
    left_out: int
    """Rows without a number, a street, a postcode or a place."""


class Latest(Struct, frozen=True):
    """The latest load."""

    number: int
    sha256: str
    address_count: int


async def load_addresses(path: Path) -> Loaded:
    """Load a file of addresses in place of the previous one, in one step; the same file again changes nothing.

    The old addresses are found until the new file is loaded completely. Raises Invalid as `read_addresses` does.
    """
    digest = await asyncio.to_thread(_digest, path)
    addresses = await asyncio.to_thread(read_addresses, path)
    columns = {name: getattr(addresses, name) for name in ("key", "town", "latitude_micro", "longitude_micro")}
    async with transaction():
        await lock("addresses")
        latest = await fetch_row(
            Latest, "SELECT number, sha256, address_count FROM address_load ORDER BY number DESC LIMIT 1"
        )
        if latest and latest.sha256 == digest:
            return Loaded(latest.address_count, addresses.left_out)
        number = latest.number + 1 if latest else 1
        count = len(addresses.key)
        await copy_columns("address", {"load": np.full(count, number, np.int64), **columns})
        await AddressLoad.insert(AddressLoad(number=number, sha256=digest, address_count=count, loaded_at=clock.now()))
        names, postcodes = zip(*addresses.towns, strict=True)
        await execute(TOWNS, number, list(names), list(postcodes))
        await execute_long("DELETE FROM address WHERE load < $1", number)
        await execute("DELETE FROM address_town WHERE load < $1", number)
    return Loaded(count, addresses.left_out)


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError:
        raise Invalid("{path} cannot be read.", path=str(path)) from None
