"""Where addresses lie that people write: all of a text in one statement, by their keys alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.addresses.rules import read_line
from marketplace.addresses.tables import AddressLoad
from marketplace.database import fetch_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

MICRO = 1_000_000
FIND = """
SELECT key, town, latitude_micro, longitude_micro
FROM address
WHERE load = (SELECT max(number) FROM address_load) AND key = ANY($1::bigint[])
"""


class Place(Struct, frozen=True):
    """Where an address of the operator's table lies, in millionths of a degree."""

    key: int
    town: int
    latitude_micro: int
    longitude_micro: int


async def has_addresses() -> bool:
    """Return whether the operator loaded a table of addresses."""
    return bool(await AddressLoad.exists())


async def find_addresses(lines: Iterable[str]) -> dict[str, tuple[float, float] | None]:
    """Return latitude and longitude in degrees of each line that is an address, None of one that is not in the table.

    A town decides where a postcode has the street several times; without one, or with another, such an address is none.
    Empty where the operator has no table. The statement is given hashes, so that nothing of what was written is logged.
    """
    asked = {line: address for line in lines if (address := read_line(line))}
    if not asked or not await has_addresses():
        return {}
    keys = sorted({address.key for address in asked.values()})
    of_key: dict[int, list[Place]] = {}
    for row in await fetch_rows(Place, FIND, keys):
        of_key.setdefault(row.key, []).append(row)
    found: dict[str, tuple[float, float] | None] = {}
    for line, address in asked.items():
        rows = of_key.get(address.key, [])
        rows = [row for row in rows if row.town == address.town] or rows
        found[line] = (rows[0].latitude_micro / MICRO, rows[0].longitude_micro / MICRO) if len(rows) == 1 else None
    return found
