"""`security-log`: The audit trail as a file, and the check of one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from marketplace.commands.command import Command, with_pool

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="export|verify")
    export = verbs.add_parser("export", help="write the whole trail, a line of JSON each, with its signed end")
    export.add_argument("out", type=Path, help="the file to write, which must not be there yet")
    verify = verbs.add_parser("verify", help="check a file: needs nothing but the file")
    verify.add_argument("file", type=Path)
    verify.add_argument("--key", help="the public key that must have signed it, in hex, as quotes are signed")


def run(arguments: argparse.Namespace) -> int:
    """Write the audit trail, chained by hashes and signed, as JSON lines; or check such a file, for which it is enough."""
    if arguments.verb == "verify":
        return _verify(arguments.file, arguments.key)

    async def story() -> int:
        from marketplace.core.settings import settings
        from marketplace.people.audit_trail.chain import export_trail

        with _new(arguments.out) as file:
            async for line in export_trail(settings().signing_key):
                file.write(f"{line}\n")
        return 0

    return with_pool(story) or _verify(arguments.out)


def _new(out: Path) -> TextIO:
    """Open a new file that only its owner can read."""
    from marketplace.core.errors import Conflict

    try:
        out.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise Conflict("{file} is there already: name another file.", file=out) from None
    return out.open("w", encoding="utf-8")


def _verify(path: Path, key: str | None = None) -> int:
    """Check a file and report its worth: a file under another key than `key` has none (None: any key)."""
    from marketplace.core.errors import NotFound
    from marketplace.people.audit_trail.rules import check

    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            verdict = check(file)
    except OSError as error:
        raise NotFound("{file} cannot be read: {why}.", file=path, why=error.strerror) from None
    if verdict.fault:
        print(verdict.fault, file=sys.stderr)
        print(f"{verdict.lines} lines before it are whole.", file=sys.stderr)
        return 1
    if key is not None and key.strip().lower() != str(verdict.key).lower():
        print(f"It is signed under the public key {verdict.key}, which is not {key}.", file=sys.stderr)
        return 1
    print(f"{verdict.lines} lines, none changed, missing or added. Last hash: {verdict.head}")
    print(f"Signed under the public key {verdict.key}")
    return 0


COMMAND = Command("security-log", run, arguments)
