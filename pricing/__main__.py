"""`python -m pricing replay TRANSCRIPT [--root HEX] [--receipt FILE]… [--key HEX]`: check an auction offline.

The package's only input and output. Exit status: 0 when the transcript is right and agrees with every receipt, 1 when something
differs, 2 when it cannot be read or replayed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pricing.auctions.receipt import compare, read_receipt
from pricing.auctions.transcript import Replayed, from_json, replay
from pricing.refusals import PricingRefusal


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay the transcript the arguments name, print what was found, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pricing", description="Check an auction offline.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("replay", help="compute an award again from its transcript alone")
    command.add_argument("transcript", type=Path, help="a transcript as downloaded, JSON")
    command.add_argument("--root", type=bytes.fromhex, help="the root as published at close, in hex, to compare with")
    command.add_argument(
        "--receipt",
        type=Path,
        action="append",
        default=[],
        help="a bid's signed receipt to hold against it; may be repeated",
    )
    command.add_argument(
        "--key", type=bytes.fromhex, help="the operator's public key as published, in hex, for receipts"
    )
    given = parser.parse_args(arguments)
    try:
        transcript = from_json(given.transcript.read_text(encoding="utf-8"))
        found = replay(transcript, given.root)
        for path in given.receipt:
            compared = compare(transcript, read_receipt(path.read_text(encoding="utf-8")), given.key)
            found = Replayed(
                found.award, found.differences + compared.differences, found.cannot_show + compared.cannot_show
            )
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
