"""The package's only input and output: `replay` checks an auction offline, `verify` the public log and its contents.

`python -m pricing replay TRANSCRIPT [--root HEX] [--terms HEX] [--receipt FILE]… [--key HEX]`
`python -m pricing verify --key KEY [--witness KEY]… [--quorum N] [--tiles FOLDER] [--checkpoint FILE]… [--proof FILE]…
[--release FILE]… [--quote FILE]… [--receipt FILE]… [--transcript FILE]… [--signing-key HEX]`

Exit status: 0 when everything agrees, 1 when something differs, 2 when a file cannot be read.
"""

import argparse
import contextlib
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from pricing.auctions.receipt import compare, read_receipt
from pricing.auctions.replay import ReplayResult, replay
from pricing.auctions.transcript import from_json
from pricing.log import verdicts
from pricing.log.documents import is_bid_receipt, read_signed
from pricing.log.notes import Checkpoint, is_signed, read_checkpoint, read_key
from pricing.log.proofs import Proof, read_proof
from pricing.log.tiles import Tiles
from pricing.refusals import PricingRefusal, Tampered


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the arguments' command, print the findings, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pricing", description="Check auctions and the public log offline.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_replay(commands.add_parser("replay", help="compute an award again from its transcript alone"))
    _add_verify(
        commands.add_parser("verify", help="check the public log, and a release, price, auction or receipt in it")
    )
    given = parser.parse_args(arguments)
    return int(given.run(given))


def _add_replay(command: argparse.ArgumentParser) -> None:
    command.add_argument("transcript", type=Path, help="a transcript as downloaded, JSON")
    command.add_argument("--root", type=bytes.fromhex, help="the root as published at close, in hex, to compare with")
    command.add_argument("--terms", type=bytes.fromhex, help="the terms' hash as published at opening, in hex")
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
    command.set_defaults(run=_replay)


def _replay(given: argparse.Namespace) -> int:
    try:
        transcript = from_json(given.transcript.read_text(encoding="utf-8"))
        found = replay(transcript, given.root, given.terms)
        for path in given.receipt:
            compared = compare(transcript, read_receipt(path.read_text(encoding="utf-8")), given.key)
            found = ReplayResult(
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


def _add_verify(command: argparse.ArgumentParser) -> None:
    command.add_argument("--key", type=read_key, required=True, help="the log's key as published: name+id+base64")
    command.add_argument("--witness", type=read_key, action="append", default=[], help="a witness's key; repeatable")
    command.add_argument("--quorum", type=int, default=0, help="how many witnesses must have cosigned each head")
    command.add_argument("--tiles", type=Path, help="folder of the log's files: checkpoint, tile/…")
    command.add_argument("--signing-key", type=bytes.fromhex, help="the operator's key of quotes and receipts, hex")
    for name, words in (
        ("checkpoint", "a head of the log as you or somebody else got it"),
        ("proof", "a .tlog-proof file"),
        ("release", "a release's whole file as downloaded"),
        ("quote", "a signed quote, JSON; with the proof of its day's price"),
        ("receipt", "a receipt of consent or of a bid, JSON; with its proof, or the auction's transcript"),
        ("transcript", "an auction's transcript, JSON"),
    ):
        command.add_argument(f"--{name}", type=Path, action="append", default=[], help=f"{words}; repeatable")
    command.set_defaults(run=_verify)


def _verify(given: argparse.Namespace) -> int:
    try:
        found = _verdict(given)
    except (OSError, UnicodeDecodeError, PricingRefusal) as problem:
        print(problem, file=sys.stderr)
        return 2
    for sentence in found.shown:
        print(f"shown: {sentence}")
    for sentence in found.faults:
        print(f"differs: {sentence}")
    for sentence in found.cannot_show:
        print(f"cannot show: {sentence}")
    print("something differs" if found.faults else "everything agrees")
    return 1 if found.faults else 0


def _verdict(given: argparse.Namespace) -> verdicts.Verdict:
    proofs = [read_proof(_text(path)) for path in given.proof]
    heads = [read_checkpoint(_text(path)) for path in given.checkpoint] + [proof.checkpoint for proof in proofs]
    if given.tiles and (given.tiles / "checkpoint").exists():
        heads.append(read_checkpoint(_text(given.tiles / "checkpoint")))
    if not heads:
        msg = "give a checkpoint, a proof, or a folder of tiles with its checkpoint"
        raise Tampered(msg)
    found, signed = verdicts.Verdict(), []
    for head in heads:
        checked = verdicts.check_head(head, given.key, given.witness, given.quorum)
        found.add(checked)
        if is_signed(head, given.key):
            signed.append(head)
    entries: dict[int, verdicts.Entry] = {}
    tiles, largest = _tiles(given, signed)
    if tiles and largest:
        whole, all_of_them = verdicts.check_whole(tiles, largest)
        found.add(whole)
        entries.update(all_of_them)
    found.add(verdicts.compare_heads(_different(signed), tiles, given.witness))
    for proof in proofs:
        checked = verdicts.check_proof(proof)
        found.add(checked)
        if not checked.faults and proof.checkpoint in signed:
            found.add(verdicts.check_place(proof.index, proof.content(), entries))
            entries[proof.index] = proof.content()
    found.add(_check_documents(given, proofs, entries))
    return found


def _tiles(given: argparse.Namespace, signed: Sequence[Checkpoint]) -> tuple[Tiles | None, Checkpoint | None]:
    """Return the log's files up to the largest signed head with complete files, and that head; (None, None) without.

    A head or proof that is newer than the reader's copy of the files contradicts nothing.
    """

    def read(path: str) -> bytes | None:
        file = given.tiles / path
        return file.read_bytes() if file.is_file() else None

    heads = [head for head in sorted(signed, key=_size, reverse=True) if head.size]
    if given.tiles is None or not heads:
        return None, None
    for head in heads:
        tiles = Tiles(read, head.size)
        with contextlib.suppress(Tampered):
            tiles.root()
            return tiles, head
    return Tiles(read, heads[0].size), heads[0]


def _check_documents(
    given: argparse.Namespace, proofs: Sequence[Proof], entries: dict[int, verdicts.Entry]
) -> verdicts.Verdict:
    found = verdicts.Verdict()
    for path in given.release:
        found.add(verdicts.check_release(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), entries))
    transcripts = []
    for path in given.transcript:
        transcripts.append(from_json(_text(path)))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found.add(verdicts.check_transcript(transcripts[-1], digest, entries))
        found.faults += replay(transcripts[-1]).differences
    for path in given.quote:
        kept = read_signed(_text(path))
        found.add(verdicts.check_signature(path.name, kept, given.signing_key))
        found.add(verdicts.check_quote(path.name, kept.document, proofs))
    for path in given.receipt:
        text = _text(path)
        if is_bid_receipt(text):
            found.add(verdicts.check_bid(path.name, read_receipt(text), transcripts, entries, given.signing_key))
        else:
            kept = read_signed(text)
            found.add(verdicts.check_signature(path.name, kept, given.signing_key))
            found.add(verdicts.check_consent(path.name, kept.document, proofs))
    return found


def _different(heads: Sequence[Checkpoint]) -> list[Checkpoint]:
    return list({(head.size, head.root): head for head in heads}.values())


def _size(head: Checkpoint) -> int:
    return head.size


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
