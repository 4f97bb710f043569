"""`partage get`: what a company bought, as files. The site and the key come from PARTAGE_SITE and PARTAGE_KEY."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

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
        for line in _list(client) if given.command == "list" else _get(client, given):
            print(line)
    except (Refused, BrokenFileError, ValueError, URLError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def open_entitlements(client: Client) -> Iterator[tuple[str, str]]:
    """Yield the entitlements that are open, each with its dataset, the latest first."""
    after, more = None, True
    while more:
        answer = client.list_entitlements(after=after)
        for one in answer["entitlements"]:
            if one["revoked_at"] is None and one["recalled_at"] is None:
                yield one["id"], one["dataset"]
        after, more = answer.get("after"), answer["has_more"]


def _list(client: Client) -> Iterator[str]:
    return (f"{one}  {dataset}" for one, dataset in open_entitlements(client))


def _get(client: Client, given: argparse.Namespace) -> Iterator[str]:
    known = dict(open_entitlements(client))
    wanted = [one for one, dataset in known.items() if given.what in ("", one, dataset)]
    if not wanted:
        raise ValueError(f"There is no open entitlement {given.what}; `partage list` lists them.")
    for one in wanted:
        yield str(client.get(one, given.to, file_format=given.format))


if __name__ == "__main__":
    sys.exit(main())
