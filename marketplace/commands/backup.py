"""`backup`: The whole marketplace in one encrypted file, while it sells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from marketplace.commands.command import Command, with_pool

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("to", nargs="?", help="folder or bucket (s3://…) that the file is written into")
    parser.add_argument(
        "--key", action="append", default=[], help="public key (age1…) it is encrypted to; again for another"
    )
    parser.add_argument("--new-key", type=Path, help="only make a key pair: the file for the private one")


def run(arguments: argparse.Namespace) -> int:
    """Write database, objects and ids of keys, never a key, of one instant into one encrypted file; the site may sell."""
    from marketplace.core.backup.actions import back_up, new_key, size_of
    from marketplace.core.errors import Invalid
    from marketplace.core.settings import settings

    if arguments.new_key:
        print(new_key(arguments.new_key))
        return 0
    to = arguments.to or settings().backups
    if not to:
        raise Invalid("Say where the backup is written: a folder or a bucket, or PARTAGE_BACKUPS.")

    async def story() -> int:
        place, manifest = await back_up(to, arguments.key)
        size = size_of(manifest)
        print(f"{place}: {len(manifest.files) - 1} objects and the database of {manifest.made_at}, {size} bytes.")
        print("Proven: a server made for it restored the dump, with every table, function and row.")
        return 0

    return with_pool(story)


COMMAND = Command("backup", run, arguments)
