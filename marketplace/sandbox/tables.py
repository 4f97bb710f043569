"""Columns and constraints of a sandbox: the mark of its database, and passes that were used, each of which lets one browser in."""

from __future__ import annotations

from piccolo.columns import SmallInt, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB
from marketplace.personal_data import NOBODYS


class SandboxMark(Table, db=DB, tablename="sandbox_mark"):
    """Its one row says that everything in this database is made-up, for ever; a real site's has none."""

    personal_data = NOBODYS
    id = SmallInt(primary_key=True)
    begun_at = Timestamptz()
    one_row = Check("id = 1")


class UsedPass(Table, db=DB, tablename="used_pass"):
    """A pass that let a browser in; deleted once the pass is over by itself."""

    personal_data = NOBODYS
    pass_sha256 = Text(primary_key=True)
    """Of what the pass says, hex: the text in an address can be written in several ways."""
    browser_sha256 = Text()
    """Of the token of the browser's forms, hex: a button that is pressed twice lets in twice."""
    ends_at = Timestamptz()
    digests = Check("length(pass_sha256) = 64 AND length(browser_sha256) = 64")
