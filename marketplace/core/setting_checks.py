"""Settings that production refuses: the demo's, keys that are weak, equal or known to everyone, an address without https.

Every sentence names the setting to change; `init` prints them all, `serve` and `jobs` stop at the first.
"""

from __future__ import annotations

import re
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from marketplace.core.errors import Invalid
from marketplace.core.sealing import is_usable, public_key
from marketplace.core.settings import (
    DEMO_BID_KEY,
    DEMO_IDENTITY_KEYS,
    DEMO_LOG_KEY,
    DEMO_SECRET,
    DEMO_SIGNING_KEY,
    DEMO_SIREN,
    JOBS,
    LOCAL_STRIPE_KEY,
    MIGRATE,
    WEB,
    Make,
    Settings,
    read,
)
from marketplace.core.signing import public_key as verifying_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHORTEST_SECRET: Final = 32
FEWEST_BYTES: Final = 16
"""The least number of different bytes in a key of 32: a random one has fewer once in 10^16."""
FEWEST_SIGNS: Final = 10
"""The least number of different characters in a secret text."""
FEWEST_STEPS: Final = 8
"""The least number of different steps from a byte to the next: a key that counts up or down has one."""
TEST_KEYS: Final = ("sk_test_", "rk_test_")
"""Prefixes of Stripe's keys that move no real money."""
MOST_DAYS_AHEAD: Final = 400
FEWEST_CONNECTIONS: Final = 2
_KNOWN_KEYS: Final = frozenset(
    {DEMO_SIGNING_KEY, DEMO_BID_KEY, DEMO_LOG_KEY, DEMO_IDENTITY_KEYS.partition(":")[2], "00" * 32}
)
_OF_JOBS: Final = {"PARTAGE_BID_KEY": DEMO_BID_KEY, "PARTAGE_LOG_KEY": DEMO_LOG_KEY}
"""Keys that only `jobs` may have, with their values if they are not set."""
MEND: Final = "`marketplace init` adds the keys that are missing, after an upgrade too, and changes no other."
_PUBLIC_KEY: Final = re.compile("[0-9a-f]{64}")
OUR_PREFIXES: Final = ("PARTAGE_", "STRIPE_", "SELLER_", "PAYOUT_", "BUILD_")


def refuse_demo_settings(chosen: Settings) -> None:
    """Refuse to serve real people with settings of the demo, and with keys that others could guess."""
    for sentence in problems(chosen):
        raise Invalid(sentence)


def refuse_role(chosen: Settings, *, serving: bool) -> None:
    """Refuse the keys of bids and of the log on the site, and `jobs` without them or a list of erasures."""
    for sentence in role_problems(chosen, WEB if serving else JOBS):
        raise Invalid(sentence)


def problems(chosen: Settings) -> Iterator[str]:
    """Yield a sentence for each of these settings that production refuses, in order."""
    if chosen.rehearsal:
        yield from _rehearsal_problems(chosen)
    elif chosen.stripe_key == LOCAL_STRIPE_KEY or chosen.stripe_url:
        yield "Set STRIPE_API_KEY and leave STRIPE_API_BASE empty: the local Stripe counterpart moves no real money."
    elif not chosen.stripe_key.strip():
        yield "Set STRIPE_API_KEY: it is empty, and nothing could be paid."
    yield from _sign_in_problems(chosen)
    yield from sandbox_problems(chosen)
    if not (_is_public_address(chosen.public_url) or (chosen.rehearsal and _is_of_this_machine(chosen.url))):
        yield "Set PARTAGE_URL to the site's public address, beginning with https://: links and cookies need it."
    yield from _key_problems(chosen)
    if chosen.database_connections < FEWEST_CONNECTIONS:
        yield f"Set PARTAGE_DATABASE_CONNECTIONS to {FEWEST_CONNECTIONS} or more."
    if chosen.seller_siren == DEMO_SIREN:
        yield "Set SELLER_NAME, SELLER_SIREN and the other SELLER_ settings: invoices bear them for ever."
    for f in fields(Settings):
        if f.metadata["variable"].startswith("SELLER_") and not getattr(chosen, f.name).strip():
            yield f"Set {f.metadata['variable']} ({f.metadata['description']}): it is empty."
    if not chosen.stripe_webhook_secret.strip():
        yield "Set STRIPE_WEBHOOK_SECRET: without it forged webhooks cannot be told apart from Stripe's."


def _sign_in_problems(chosen: Settings) -> Iterator[str]:
    """Yield a sentence for each setting that would let people in too easily."""
    if chosen.one_click:
        yield "Unset PARTAGE_ONE_CLICK: one-click sign-in is for the demo alone."
    if not chosen.staff_second_factor and not chosen.rehearsal:
        yield "Unset STAFF_SECOND_FACTOR: staff sign in with a second factor."


def _rehearsal_problems(chosen: Settings) -> Iterator[str]:
    """Yield a sentence for each setting that would let a rehearsal move real money, or change real time."""
    if not chosen.stripe_key.startswith(TEST_KEYS):
        yield "Set STRIPE_API_KEY to a test key, sk_test_…: a rehearsal with a live key would move real money."
    if not 0 <= chosen.rehearsal_days <= MOST_DAYS_AHEAD:
        yield f"Set PARTAGE_REHEARSAL_DAYS to a number from 0 to {MOST_DAYS_AHEAD}."


def sandbox_problems(chosen: Settings) -> Iterator[str]:
    """Yield a sentence for each setting that would mix a sandbox with real data."""
    if not chosen.sandbox_of:
        return
    if not chosen.rehearsal:
        yield "Set PARTAGE_REHEARSAL=1 beside PARTAGE_SANDBOX_OF: a sandbox takes test money alone."
    if not _PUBLIC_KEY.fullmatch(chosen.sandbox_of):
        yield "Set PARTAGE_SANDBOX_OF to 64 hex digits, the public key at /api/v1/keys of the site whose partners enter."
    elif chosen.sandbox_of == verifying_key(chosen.signing_key).hex():
        yield "Unset PARTAGE_SANDBOX_OF: a site is no sandbox of its own; the sandbox has other keys and another database."


def role_problems(chosen: Settings, role: str) -> Iterator[str]:
    """Yield a sentence for each setting that a process of this role has and should not, or lacks and needs."""
    if role == WEB and chosen.bid_key != DEMO_BID_KEY:
        yield "Unset PARTAGE_BID_KEY where the site is served: the key that opens sealed bids is for `jobs` alone."
    if role == JOBS and (chosen.bid_key == DEMO_BID_KEY or public_key(chosen.bid_key) != chosen.bid_public_key):
        yield (
            "Set PARTAGE_BID_KEY for `jobs` to the private key of PARTAGE_BID_PUBLIC_KEY: "
            f"without it no sealed auction ends. {MEND}"
        )
    if role == WEB and chosen.log_key != DEMO_LOG_KEY:
        yield "Unset PARTAGE_LOG_KEY where the site is served: the key that signs the public log is for `jobs` alone."
    if role == JOBS and chosen.log_key == DEMO_LOG_KEY:
        yield f"Set PARTAGE_LOG_KEY for `jobs` to a key of your own: everyone can sign with the demo's. {MEND}"
    if not chosen.rehearsal and not _is_apart(chosen):
        yield (
            "Set PARTAGE_NOTES to a folder or bucket apart from PARTAGE_STATE and PARTAGE_OBJECTS, the same for the site and "
            "`jobs`: without it a restore forgets withdrawals, and brings back people who erased themselves."
        )


def _is_apart(chosen: Settings) -> bool:
    """Return whether notes are stored where they are not lost, or restored, with database and objects."""
    place = chosen.notes.removeprefix("file://").rstrip("/")
    if not place or place == chosen.objects.rstrip("/"):
        return False
    return "://" in place or not Path(place).absolute().is_relative_to(chosen.state.absolute())


def notes(environment: Mapping[str, str], role: str) -> Iterator[str]:
    """Yield a sentence for each optional setting that is missing, on what does not work without it."""
    if not environment.get("DATABASE_URL"):
        yield "DATABASE_URL is empty: the PostgreSQL that comes with Partage is used, on this machine alone."
    if role != MIGRATE and not environment.get("PAYOUT_IBAN"):
        yield "PAYOUT_IBAN is empty: no payout run can be sent to the bank."


def check(environment: Mapping[str, str], role: str) -> list[str]:
    """Return a sentence for each setting that a process of this role refuses, unreadable ones first."""
    known = {f.metadata["variable"] for f in fields(Settings)}
    found, readable = [], {}
    for variable, value in environment.items():
        if variable not in known:
            if variable.startswith(OUR_PREFIXES):
                found.append(f"{variable} is not a setting: check its spelling.")
            continue
        try:
            read({variable: value})
            readable[variable] = value
        except Invalid as refusal:
            found.append(str(refusal))
    try:
        chosen = read(readable)
    except Invalid as refusal:  # settings that contradict each other
        return [*found, str(refusal)]
    if role == MIGRATE:
        return found
    unread = known & environment.keys() - readable.keys()
    refused = [*problems(chosen), *role_problems(chosen, role)]
    return found + [sentence for sentence in refused if not any(variable in sentence for variable in unread)]


def _is_of_this_machine(url: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return urlsplit(url).hostname in {"127.0.0.1", "::1", "localhost"}
    except ValueError:
        return False


def _is_public_address(url: str) -> bool:
    """Return whether this is the address of a site, reachable only by https."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        return False


def _key_problems(chosen: Settings) -> Iterator[str]:
    """Yield a sentence for every key that is known to everyone, easy to guess, or equal to another."""
    named = dict(_keys(chosen))
    for variable, keys in named.items():
        if any(key == DEMO_SECRET or key in _KNOWN_KEYS for key in keys):
            yield f"Set {variable} to a key of your own: the demo's is known to everyone. {MEND}"
        elif any(_is_weak(key) for key in keys):
            yield f"Set {variable} to a key of your own, as `init` makes them: this one is too short or easy to guess."
    yield from _public_key_problems(chosen.bid_public_key)
    ids = [part.partition(":")[0] for part in chosen.identity_keys.split(",")]
    if len(set(ids)) < len(ids):
        yield "Give every key of PARTAGE_IDENTITY_KEYS an id of its own: one of two with the same id is never used."
    seen: dict[str, str] = {}
    given = named | {
        "PARTAGE_BID_PUBLIC_KEY": [chosen.bid_public_key],
        "STRIPE_API_KEY": [chosen.stripe_key],
        "STRIPE_WEBHOOK_SECRET": [chosen.stripe_webhook_secret],
    }
    for variable, keys in given.items():
        for key in filter(None, keys):
            if key in seen:
                yield f"{variable} and {seen[key]} contain the same key: each needs one of its own."
            seen[key] = variable


def _keys(chosen: Settings) -> Iterator[tuple[str, list[str]]]:
    """Yield each setting that is a secret key, with its keys, leaving out those not set for this process."""
    for f in fields(Settings):
        make, variable, value = f.metadata["make"], f.metadata["variable"], getattr(chosen, f.name)
        if make is None or make is Make.PUBLIC or (not value and variable == "METRICS_TOKEN"):
            continue
        if value == _OF_JOBS.get(variable):  # the site has none
            continue
        yield variable, [part.partition(":")[2] for part in value.split(",")] if make is Make.NAMED else [value]


def _public_key_problems(key: str) -> Iterator[str]:
    """Yield a sentence if the private half of the key that seals bids is public, or not needed."""
    if not key or key in map(public_key, _KNOWN_KEYS):
        yield (
            "Set PARTAGE_BID_PUBLIC_KEY, and PARTAGE_BID_KEY for `jobs` alone, as `init` makes them: "
            "the demo's are known to everyone."
        )
    elif not is_usable(key):
        yield "Set PARTAGE_BID_PUBLIC_KEY to the public half of PARTAGE_BID_KEY: what this one seals, anyone opens."


def _is_weak(key: str) -> bool:
    """Return whether a key is short, repeats itself or counts."""
    try:
        content = bytes.fromhex(key)
    except ValueError:
        content = b""
    if len(content) != 32:  # noqa: PLR2004 (a text)
        return len(key) < SHORTEST_SECRET or len(set(key)) < FEWEST_SIGNS or _counts(key.encode())
    return len(set(content)) < FEWEST_BYTES or _counts(content)


def _counts(content: bytes) -> bool:
    return len({(after - before) % 256 for before, after in pairwise(content)}) < FEWEST_STEPS
