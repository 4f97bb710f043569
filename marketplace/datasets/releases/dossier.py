"""A release's dossier: the gate's findings by WP216's three criteria, in canonical bytes that anyone can check.

Source: RFC 8785 (canonical JSON), RFC 8032 (Ed25519); Article 29 Working Party, Opinion 05/2014 (WP216).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from marketplace.core.signing import public_key, sign, verify
from marketplace.privacy.deployment_card import ENGINES
from marketplace.privacy.gate import audit
from marketplace.privacy.gate import findings as gate
from marketplace.privacy.specification import METHOD

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence

    from marketplace.privacy.specification import Specification

VERSION: Final = 3
KEY_BYTES: Final = 32
KEY: Final = "key"
"""In the stored inputs: the secret with which their marks are made."""
SENTENCES: Final = {
    "threshold": "threshold",
    "least_published": "smallest published count",
    "cells_published": "cells published",
    "expected_false_cells_micro": "empty cells noise alone lifts over it, on average",
    "max_cells": "cells a person counts in at most",
    "max_events": "events in each at most",
    "units": "units of the promise",
    "reach": "cells that one unit's events can change at most",
    "totals_with_parts": "totals compared with their parts",
    "exposed": "parts exposed",
    "over_other_zones": "other releases held over other zones, which no test subtracts from these",
    "releases_held": "other releases held",
    "cells_compared": "cells in common",
    "not_charged": "losses not charged",
    "epsilon_micro": "ε together",
    "delta_exponent": "δ is ten to the minus",
    "allowed_micro": "ε a year allows",
    "simulated_people": "simulated people",
    "median_cell": "people in their median figure",
    "moving_together": "people sought at once, who move together",
    "hours_sought": "hours in which they were sought among eight zones",
    "right_by_chance_micro": "share found by chance",
    "right_from_exact_counts_micro": "share found in exact figures",
    "right_from_release_micro": "share found in figures with this noise",
    "right_at_most_micro": "share that noise as promised lets be found at most",
    "paths_power_micro": "chance to catch noise that loses twice as much",
    "canaries": "simulated people, counted as everyone is",
    "canary_cells": "figures that one of them changed at most",
    "without_consent": "people counted without consent",
    "people_draws": "counts of people looked at",
    "people_shown_micro": "share of the stated loss that they show",
    "people_power_micro": "chance that they catch twice the stated loss",
    "events_draws": "counts of events looked at",
    "events_shown_micro": "share of the stated loss that these show",
    "events_power_micro": "chance that these catch twice the stated loss",
    "edge_cells": "figures that one person more or less may publish or withhold",
    "edge_cells_as_counted": "decided there as exact counts would",
}
"""A dossier's figures in words."""


def document(
    specification: Specification,
    found: Sequence[gate.Finding],
    at: dt.datetime,
    *,
    release: uuid.UUID | str,
    cells_sha256: str,
    sampler: str,
    inputs: str,
) -> bytes:
    """Return the canonical bytes of the gate's findings about a release at an instant; sampler: one of ENGINES.

    inputs: JSON, `with_key`: the files and days from which the release was counted; they stay the same when a file is
    corrected.
    """
    s = specification
    why = gate.reasons(found)
    return rfc8785.dumps(
        {
            "kind": "release dossier",
            "version": VERSION,
            "release": str(release),
            "dataset": s.dataset,
            "period": [s.period_from.isoformat(), s.period_to.isoformat()],
            "revision": s.revision,
            "specification": s.digest,
            "cells_sha256": cells_sha256,
            "inputs": marked(inputs),
            "assessed_at": at.isoformat(),
            "promise": {
                "unit": f"one subscriber in one {s.unit}",
                "mechanism": f"discrete {s.mechanism}",
                "method": METHOD,
                "epsilon_micro": s.epsilon_micro,
                "delta_exponent": s.delta_exponent,
                "rho_nano": s.unit_rho_nano,
                "divided_percent": {part: s.percent_of(part) for part in s.parts},
                "drawn_by": ENGINES[sampler],
            },
            "criteria": {
                criterion: {
                    "passed": all(finding.passed for finding in found if finding.criterion == criterion),
                    "tests": [finding.stated() for finding in found if finding.criterion == criterion],
                }
                for criterion in gate.CRITERIA
            },
            "simulations": {
                "tests": ["trajectories", "membership"],
                "convict_twice_the_loss_percent": round(100 * audit.LEAST_POWER),
                "false_alarms_in_a_million_at_most": 1,
            },
            "passed": not why,
            "reasons": why,
        }
    )


def with_key(inputs: str) -> str:
    """Return a release's inputs (JSON) with their own secret, for readers who may see exact figures.

    The SHA-256 of a file of events is an exact statistic: a person who knows all of the file but one line could try
    both files.
    """
    stated = json.loads(inputs)
    if KEY in stated:
        return inputs
    return json.dumps(stated | {KEY: os.urandom(KEY_BYTES).hex()}, sort_keys=True)


def marked(inputs: str) -> dict[str, Any]:
    """Return inputs as in a dossier: each SHA-256 replaced by its HMAC-SHA256 under their key, which is left out."""
    stated = json.loads(inputs)
    key = bytes.fromhex(stated.pop(KEY))
    return {name: _marked(part, key) for name, part in stated.items()}


def inputs_for(stated: dict[str, Any] | None, kept: str, *, is_exact: bool) -> dict[str, Any] | None:
    """Return the inputs that a page shows for a dossier (None: there is none yet); None for nothing.

    kept: JSON, `with_key`, shown to those who may see exact figures; others see the dossier's marks. Empty until the
    release is counted.
    """
    found: dict[str, Any] | None = json.loads(kept or "null")
    if not is_exact:
        found = stated["inputs"] if stated else None
    return found


def _marked(part: object, key: bytes) -> object:
    if isinstance(part, dict):
        return {name: part[name] if name in {"day", "name"} else _marked(part[name], key) for name in part}
    if isinstance(part, list):
        return [_marked(one, key) for one in part]
    return hmac.new(key, bytes.fromhex(part), hashlib.sha256).hexdigest() if isinstance(part, str) else None


def signed(document_: bytes, signing_key: str) -> bytes:
    """Return the Ed25519 signature of a dossier under the hex key."""
    return sign(document_, signing_key)


def is_ours(document_: bytes, signature: bytes, signing_key: str) -> bool:
    """Return whether a dossier has the signature of the hex key's holder."""
    return verify(document_, signature, public_key(signing_key))


def read(document_: bytes) -> dict[str, Any]:
    """Return a dossier's content."""
    stated: dict[str, Any] = json.loads(document_)
    return stated
