"""The proof: every kind's transcript is re-computed by `python -m pricing replay`, and all that was tampered with shows."""

import asyncio
import json
import secrets
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions import receipts
from marketplace.sales.auctions.actions import place_bid, place_sealed_bid
from marketplace.sales.auctions.queries import get_auction, get_transcript
from pricing.__main__ import main as pricing
from pricing.auctions.transcript import Transcript, award_of, from_json, leaves, to_json
from pricing.merkle import merkle_root
from tests.sales.builders.auctions import make_bidder, move_end, open_auction

KINDS = [
    ("exclusive", {}),
    ("limited", {"licences": 2}),
    ("ascending", {"window_seconds": 3600, "extension_seconds": 1}),
    ("bundle", {"releases": 2, "price_rule": "core"}),
    ("bundle", {"releases": 2, "price_rule": "vcg"}),
]


async def play_auction(kind: str, more: dict[str, Any]) -> dict[str, Any]:
    """Hold an auction of a kind to its end; return its transcript, its root as published, and everyone's receipts."""
    auction = await open_auction(kind, **more)
    kept = []
    for amount in (3_000, 5_000, 4_500):
        bidder, bid = await make_bidder(), uuid.uuid4()
        if kind == "ascending":
            answer = await place_bid(bidder.actor, auction, bid=bid, maximum_minor=amount)
        else:
            packages = [([0], amount), ([0, 1], 2 * amount)] if kind == "bundle" else [([0], amount)]
            answer = await place_sealed_bid(
                bidder.actor, auction, bid=bid, nonce=secrets.token_hex(32), packages=packages
            )
        assert answer.accepted, answer.answer
        kept.append(json.dumps(receipts.signed(answer)))
    await move_end(auction)
    await ending.close_auctions()
    return {
        "text": (await get_transcript(auction)).decode(),
        "root": (await get_auction(auction)).root,
        "receipts": kept,
        "key": public_key(settings().signing_key).hex(),
    }


@pytest.mark.parametrize(
    ("kind", "more"), KINDS, ids=lambda part: part if isinstance(part, str) else part.get("price_rule", "")
)
async def test_anyone_re_computes_the_award_and_finds_what_was_tampered_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, more: dict[str, Any]
) -> None:
    found = await play_auction(kind, more)
    place, root = tmp_path / "transcript.json", ("--root", found["root"])
    kept = []
    for number, text in enumerate(found["receipts"]):
        kept += ["--receipt", str(tmp_path / f"receipt-{number}.json")]
        (tmp_path / f"receipt-{number}.json").write_text(text)

    def replayed(text: str, *more_: str) -> tuple[int, str]:
        place.write_text(text)
        status = pricing(["replay", str(place), *more_])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    status, output = replayed(found["text"], *root, *kept, "--key", found["key"])
    assert (status, output.splitlines()[-1]) == (0, "equal"), output
    assert "shill bid" in output, "what nobody can detect is said each time"
    good = json.loads(found["text"])

    def differs(change: Callable[[dict[str, Any]], object]) -> bool:
        document = json.loads(found["text"])
        change(document)
        return replayed(json.dumps(document), *root)[0] == 1

    named = "maximum_minor" if kind == "ascending" else "amount_minor"
    assert differs(lambda d: d["reveals"][-1].update({named: 9_999})), "a tampered bid"
    assert differs(lambda d: (d["reveals"].pop(), d["entries"].pop())), "a bid dropped after the root"
    assert differs(
        lambda d: (d["reveals"].append(d["reveals"][-1] | {"bidder": "BNEW"}), d["entries"].append("ab" * 32))
    ), "a bid added after the root"
    assert differs(lambda d: d["terms"].update(reserve_minor=1)), "a changed reserve"
    if kind == "bundle":
        assert differs(lambda d: d["reveals"][0].update(amount_minor=1)), "a changed reserve of one lot"
    assert differs(lambda d: d["award"]["outcomes"][-1].update(pays_minor=7)), "another award"

    # A seller who drops the best bid before the root is made: the transcript alone is flawless, its bidder's receipt is not in it.
    size = 2 if kind == "bundle" else 1
    first = len(good["entries"]) - 2 * size
    whole = from_json(found["text"])
    entries, reveals = (part[:first] + part[first + size :] for part in (whole.entries, whole.reveals))
    forged_root = merkle_root(leaves(whole.auction, whole.kind, whole.terms, entries))
    award = award_of(whole.kind, whole.terms, [one for one in reveals if one])
    forged = to_json(Transcript(whole.auction, whole.kind, whole.terms, entries, reveals, forged_root, award))
    assert replayed(forged, "--root", forged_root.hex())[0] == 0
    status, output = replayed(forged, "--root", forged_root.hex(), *kept[2:4], "--key", found["key"])
    assert status == 1
    assert "dropped before the root" in output
    assert replayed(forged, "--root", found["root"])[0] == 1, "nor is it the root that was published"

    # The receipts' own integrity.
    changed = json.loads(found["receipts"][0])
    changed["signature"] = json.loads(found["receipts"][1])["signature"]
    (tmp_path / "receipt-0.json").write_text(json.dumps(changed))
    assert "signature" in replayed(found["text"], *kept[:2])[1]
    assert replayed(found["text"], *kept[2:4], "--key", "ab" * 32)[0] == 1, (
        "signed with another key than the published one"
    )


async def test_the_command_runs_offline_in_a_process_of_its_own(tmp_path: Path) -> None:
    found = await play_auction("ascending", KINDS[2][1])
    (tmp_path / "transcript.json").write_text(found["text"])
    (tmp_path / "receipt.json").write_text(found["receipts"][1])
    captured = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pricing",
        "replay",
        str(tmp_path / "transcript.json"),
        "--root",
        found["root"],
        "--receipt",
        str(tmp_path / "receipt.json"),
        "--key",
        found["key"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    printed, _ = await captured.communicate()
    assert (captured.returncode, printed.splitlines()[-1]) == (0, b"equal"), printed.decode()
    for unreadable in ("", "{}", found["text"]):
        (tmp_path / "receipt.json").write_text(unreadable)
        assert pricing(["replay", str(tmp_path / "transcript.json"), "--receipt", str(tmp_path / "receipt.json")]) == 2
