"""Columns and constraints of the operator's addresses."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Integer, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.personal_data import NOBODYS


class AddressLoad(Table, db=DB, tablename="address_load"):
    """A file of addresses that was loaded whole: the latest one counts, and the addresses of those before it are deleted."""

    personal_data = NOBODYS
    number = Integer(primary_key=True)
    sha256 = Text()
    """Of the file."""
    address_count = Integer()
    loaded_at = Timestamptz()
    has_addresses = Check("number > 0 AND address_count > 0")


class Address(Table, db=DB, tablename="address"):
    """Where an address lies, under a hash of what it says: no text, and nobody's name.

    load: a number of `address_load`, written in the same transaction; a foreign key, checked row by row, would be most of the
    time that loading thirty million lasts.
    """

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    load = BigInt()
    key = BigInt()
    """Of number, street and postcode, see `rules`."""
    town = BigInt()
    latitude_micro = BigInt()
    longitude_micro = BigInt()
    each_once = Unique([load, key, town])
    is_on_earth = Check("abs(latitude_micro) <= 90000000 AND abs(longitude_micro) <= 180000000")


class AddressTown(Table, db=DB, tablename="address_town"):
    """A postcode of a town whose addresses are there, under a hash of the town's name: for lines that have no postcode.

    load: as `address` has it.
    """

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    load = BigInt()
    town = BigInt()
    """Of its name, see `rules.names_of`; a city with arrondissements has theirs, too."""
    postcode = Text()
    postcode_once = Unique([load, town, postcode])
    is_postcode = Check("postcode ~ '^[0-9]{1,5}$'")
