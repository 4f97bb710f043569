"""Check an uploaded proof step by step, for the page; `proof.js` does the same in the browser, without us."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from pricing.log.notes import cosigned_at, is_signed
from pricing.log.proofs import faults_of, read_proof
from pricing.log.verdicts import is_late
from pricing.refusals import PricingRefusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pricing.log.notes import VerifierKey

MOST_BYTES = 200_000


class CheckedProof(Struct, frozen=True):
    """The result of checking a proof: each step, and the proof's subject if all steps hold."""

    is_proof: bool
    is_signed: bool = False
    is_in_log: bool = False
    """The entry is under the head, and the item, if any, is under the entry."""
    size: int = 0
    kind: str = ""
    about: str = ""
    """The subject of a fact, or the day of an item."""
    text: str = ""
    """The statement, as indented JSON."""
    witnesses: tuple[tuple[str, dt.datetime], ...] = ()
    is_late: bool = False
    """It is a day's price under another day's entry."""

    @property
    def is_valid(self) -> bool:
        """Return whether the proof proves its subject."""
        return self.is_signed and self.is_in_log and not self.is_late


def check_upload(data: bytes, keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey]) -> CheckedProof:
    """Check a `.tlog-proof` file under the log's keys; a file that is no proof is reported, never refused."""
    try:
        proof = read_proof(data.decode())
        content = proof.content()
        digest = hashlib.sha256(proof.item.document).digest() if proof.item else b""
        is_in_log = not faults_of(proof, digest)
        stated = json.loads(proof.item.document) if proof.item else content
        is_price = proof.item is not None and content["kind"] == "price_inputs"
        late = is_price and is_late(stated["day"], content)
    except (ValueError, PricingRefusal, RecursionError, KeyError, TypeError):
        return CheckedProof(is_proof=False)
    seen = [(key.name, at) for key in witnesses if (at := cosigned_at(proof.checkpoint, key)) is not None]
    return CheckedProof(
        is_proof=True,
        is_signed=any(proof.checkpoint.origin == key.name and is_signed(proof.checkpoint, key) for key in keys),
        is_in_log=is_in_log,
        size=proof.checkpoint.size,
        kind=content["kind"],
        about=str(content.get("subject", content.get("day", ""))),
        text=_indented(stated),
        witnesses=tuple((name, dt.datetime.fromtimestamp(at, dt.UTC)) for name, at in seen),
        is_late=late,
    )


def _indented(stated: Any) -> str:  # noqa: ANN401 (JSON)
    return json.dumps(stated, indent=2, ensure_ascii=False, sort_keys=True)
