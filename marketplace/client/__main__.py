"""`partage get`: what a company bought, as files. The site and the key come from PARTAGE_SITE and PARTAGE_KEY."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from marketplace.client.client import BrokenFileError, Client, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    read = argparse.ArgumentParser(prog="partage", description=__doc__)
    read.add_argument("--site", default=os.environ.get("PARTAGE_SITE", ""), help="the site's address")
    commands = read.add_subparsers(dest="command", required=True)
    get = commands.add_parser("get", help="download what you may: one entitlement, or all of a dataset, or everything")
    get.add_argument("what", nargs="?", default="", help="an entitlement's id or a dataset's code; nothing: everything")
    get.add_argument("--format", default="parquet", help="parquet, csv, xlsx, geoparquet or another that the site has")
    get.add_argument("--to", default=".", type=Path, help="the folder, or with one entitlement the file")
    commands.add_parser("list", help="list what you may download")
    return read


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what is refused is one sentence, and 1."""
    given = parser().parse_args(arguments)
    try:
        client = Client(given.site, os.environ.get("PARTAGE_KEY", ""))
        return _list(client) if given.command == "list" else _get(client, given)
    except (Refused, ValueError, OSError, HTTPException) as error:
        print(str(error) or type(error).__name__, file=sys.stderr)
        return 1


def open_entitlements(client: Client) -> Iterator[tuple[str, str]]:
    """Yield the entitlements that are open now, each with its dataset, the latest first.

    One whose payment is disputed is among them, because the API does not say so before it refuses the download.
    """
    after, more, now = None, True, dt.datetime.now(dt.UTC)
    while more:
        answer = client.list_entitlements(after=after)
        for one in answer["entitlements"]:
            starts_at, ends_at = (dt.datetime.fromisoformat(one[name]) for name in ("starts_at", "ends_at"))
            if one["revoked_at"] is None and one["recalled_at"] is None and starts_at <= now < ends_at:
                yield one["id"], one["dataset"]
        after, more = answer.get("after"), answer["has_more"]


def _list(client: Client) -> int:
    for one, dataset in open_entitlements(client):
        print(f"{one}  {dataset}")
    return 0


def _get(client: Client, given: argparse.Namespace) -> int:
    """Download what is wanted; what is refused is said, and the rest still comes."""
    known = dict(open_entitlements(client))
    wanted = [one for one, dataset in known.items() if given.what in ("", one, dataset)]
    if not wanted:
        raise ValueError(f"There is no open entitlement {given.what}; `partage list` lists them.")
    refused = 0
    for one in wanted:
        try:
            print(client.get(one, given.to, file_format=given.format))
        except (Refused, BrokenFileError) as error:
            print(f"{one}: {error}", file=sys.stderr)
            refused = 1
    return refused


if __name__ == "__main__":
    sys.exit(main())
