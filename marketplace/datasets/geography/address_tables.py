"""Columns and constraints of the operator's addresses."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Integer, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS


class AddressLoad(Table, db=DB, tablename="address_load"):
    """A file of addresses that was loaded whole. The latest one counts; the addresses of earlier ones are deleted."""

    personal_data = NOBODYS
    number = Integer(primary_key=True)
    sha256 = Text()
    """Of the file."""
    address_count = Integer()
    loaded_at = Timestamptz()
    has_addresses = Check("number > 0 AND address_count > 0")


class Address(Table, db=DB, tablename="address"):
    """The position of an address, under a hash of its text: no text, and nobody's name.

    load: a number of `address_load`, written in the same transaction. A foreign key, checked row by row, would be most
    of the time of loading thirty million rows.
    """

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    load = BigInt()
    key = BigInt()
    """Hash of number, street and postcode, see `address_rules`."""
    town = BigInt()
    latitude_micro = BigInt()
    longitude_micro = BigInt()
    each_once = Unique([load, key, town])
    is_on_earth = Check("abs(latitude_micro) <= 90000000 AND abs(longitude_micro) <= 180000000")


class AddressTown(Table, db=DB, tablename="address_town"):
    """A postcode of a town with addresses, under a hash of the town's name: for lines without a postcode.

    load: as in `address`.
    """

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    load = BigInt()
    town = BigInt()
    """Hash of its name, see `address_rules.names_of`; a city with arrondissements also has theirs."""
    postcode = Text()
    postcode_once = Unique([load, town, postcode])
    is_postcode = Check("postcode ~ '^[0-9]{1,5}$'")
