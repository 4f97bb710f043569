"""Columns and constraints of a sandbox: the mark of its database, and used passes, each for one browser."""

from __future__ import annotations

from piccolo.columns import SmallInt, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS


class SandboxMark(Table, db=DB, tablename="sandbox_mark"):
    """Its one row marks everything in this database as made-up, for ever; a real site has no row."""

    personal_data = NOBODYS
    id = SmallInt(primary_key=True)
    begun_at = Timestamptz()
    one_row = Check("id = 1")


class UsedPass(Table, db=DB, tablename="used_pass"):
    """A pass that admitted a browser; deleted once the pass has expired."""

    personal_data = NOBODYS
    pass_sha256 = Text(primary_key=True)
    """Of the pass's content, hex: its text in an address can be written in several ways."""
    browser_sha256 = Text()
    """Of the token of the browser's forms, hex: pressing the button twice admits the same browser twice."""
    ends_at = Timestamptz()
    digests = Check("length(pass_sha256) = 64 AND length(browser_sha256) = 64")
