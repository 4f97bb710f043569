"""Find the addresses that people write: all lines of a text in a few statements, by their keys alone."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_rows
from marketplace.datasets.geography.address_rules import LONGEST, Several, is_address, placed, read_line
from marketplace.datasets.geography.address_tables import AddressLoad

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from marketplace.datasets.geography.address_rules import Address, Placed, Whereabouts

MICRO: Final = 1_000_000
MOST_POSTCODES: Final = 60
"""The most postcodes of a town's name in which addresses are sought."""
FIND: Final = """
SELECT key, town, latitude_micro, longitude_micro
FROM address
WHERE load = (SELECT max(number) FROM address_load) AND key = ANY($1::bigint[])
"""
FIND_TOWNS: Final = """
SELECT town, postcode
FROM address_town
WHERE load = (SELECT max(number) FROM address_load) AND town = ANY($1::bigint[])
ORDER BY town, postcode
"""


class Place(Struct, frozen=True):
    """The position of an address of the operator's table, in millionths of a degree."""

    key: int
    town: int
    latitude_micro: int
    longitude_micro: int

    @property
    def degrees(self) -> tuple[float, float]:
        """Latitude and longitude in degrees."""
        return self.latitude_micro / MICRO, self.longitude_micro / MICRO


class TownPostcode(Struct, frozen=True):
    """A postcode of a town, by the hash of the town's name."""

    town: int
    postcode: str


async def has_addresses() -> bool:
    """Return whether the operator loaded a table of addresses."""
    return bool(await AddressLoad.exists())


async def find_addresses(lines: Iterable[str]) -> dict[str, Whereabouts]:
    """Return the answer for each line that is an address; other lines are absent.

    A town decides if a postcode has the street several times; a line without a postcode is sought in the postcodes that
    the table has for its town. Empty if the operator has no table. The statements get only hashes, so that no written
    text is logged.
    """
    asked = {line: (read_line(line), placed(line)) for line in lines if line[:1].isdigit() and len(line) <= LONGEST}
    if not asked or not await has_addresses():
        return {}
    postcodes = await _postcodes({way.known_as for _, ways in asked.values() for way in ways if not way.postcode})
    wanted = {line: _options(whole, ways, postcodes) for line, (whole, ways) in asked.items()}
    keys = sorted({address.key for options in wanted.values() for _, address in options})
    of_key: dict[int, list[Place]] = defaultdict(list)
    for row in await fetch_rows(Place, FIND, keys):
        of_key[row.key].append(row)
    return {line: _answer(options, of_key) for line, options in wanted.items() if options or is_address(line)}


async def _postcodes(towns: set[int]) -> Mapping[int, Sequence[str]]:
    """Return the postcodes of towns, by the hash of each town's name."""
    found: dict[int, list[str]] = defaultdict(list)
    for row in await fetch_rows(TownPostcode, FIND_TOWNS, sorted(towns)) if towns else ():
        found[row.town].append(row.postcode)
    return found


def _options(
    whole: Address | None, ways: Sequence[Placed], postcodes: Mapping[int, Sequence[str]]
) -> list[tuple[str, Address]]:
    """Return the possible addresses of a line, each with the postcode sought for it, empty if the line states it."""
    options = [("", whole)] if whole else []
    for way in ways:
        if way.postcode:
            options.append(("", way.at(way.postcode)))
        else:
            options += [(code, way.at(code)) for code in postcodes.get(way.known_as, ())[:MOST_POSTCODES]]
    return options


def _answer(options: Sequence[tuple[str, Address]], of_key: Mapping[int, Sequence[Place]]) -> Whereabouts:
    """Return the one place of a line's options, or the postcodes of several."""
    found: dict[tuple[float, float], str] = {}
    for postcode, address in options:
        rows = of_key.get(address.key, ())
        rows = [row for row in rows if row.town == address.town] or rows
        found |= {row.degrees: postcode for row in rows}
    if len(found) > 1:
        return Several(tuple(sorted({code for code in found.values() if code})))
    return next(iter(found), None)
