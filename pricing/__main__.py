"""`python -m pricing replay TRANSCRIPT [--root HEX]`: check an auction offline. The package's only input and output.

Exit status: 0 when the transcript stands, 1 when it differs, 2 when it cannot be read or replayed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pricing.auctions.transcript import from_json, replay
from pricing.refusals import PricingRefusal


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay the transcript the arguments name, print what was found, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pricing", description="Check an auction offline.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("replay", help="compute an award again from its transcript alone")
    command.add_argument("transcript", type=Path, help="a transcript as downloaded, JSON")
    command.add_argument("--root", type=bytes.fromhex, help="the root as published at close, in hex, to compare with")
    given = parser.parse_args(arguments)
    try:
        found = replay(from_json(given.transcript.read_text(encoding="utf-8")), given.root)
    except (OSError, UnicodeDecodeError, PricingRefusal) as problem:
        print(f"{given.transcript}: {problem}", file=sys.stderr)
        return 2
    for outcome in found.award["outcomes"]:
        print(f"{outcome['bidder']}: {outcome['reason']}, {outcome['units']} for {outcome['pays_minor']}")
    for difference in found.differences:
        print(f"differs: {difference}")
    for blind in found.cannot_show:
        print(f"cannot show: {blind}")
    print("equal" if found.equal else "not equal")
    return 0 if found.equal else 1


if __name__ == "__main__":
    sys.exit(main())
