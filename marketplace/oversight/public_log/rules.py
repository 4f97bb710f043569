"""The log's entries of facts and days as canonical bytes, and the keys of its files in the object store.

Source: RFC 8785 (canonical JSON), C2SP tlog-tiles and tlog-checkpoint.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import rfc8785

from marketplace.core.errors import Invalid
from marketplace.core.instants import microseconds
from marketplace.core.signing import public_key, sign
from pricing.log.notes import NOTE, Signature, VerifierKey, checkpoint_text, read_key
from pricing.refusals import PricingRefusal

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION: Final = 1
CHECKPOINT: Final = "checkpoint"
FIRST_NAME: Final = "1"
"""The last part of a log's origin, unless the operator chose another one."""
DAY: Final = dt.timedelta(days=1)
SETTLED: Final = dt.timedelta(minutes=10)
"""Time after a day's end before its root is made, so that transactions from midnight have ended."""


def fact_entry(kind: str, subject: str, statement: str, at: dt.datetime) -> bytes:
    """Return the entry of a fact. statement: JSON."""
    stated = {"kind": kind, "subject": subject, "statement": json.loads(statement), "at": microseconds(at)}
    return rfc8785.dumps(stated | {"version": VERSION})


def day_entry(kind: str, day: str, root: bytes, previous: str) -> bytes:
    """Return the entry of a day's root. previous: this kind's root of the day before, in hex; '' for the first."""
    return rfc8785.dumps({"kind": kind, "day": day, "root": root.hex(), "previous": previous, "version": VERSION})


def says_the_same(one: bytes, other: bytes) -> bool:
    """Return whether two entries make the same statement, at any instants."""
    return _without_instant(one) == _without_instant(other)


def _without_instant(entry: bytes) -> dict[str, Any]:
    return {name: value for name, value in read(entry).items() if name != "at"}


def first_origin(url: str) -> str:
    """Return the default name of the log of a site at this address."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path.rstrip('/')}/log/{FIRST_NAME}"


def name_of(origin: str) -> str:
    """Return a log's name on this site: the last part of its origin."""
    return origin.rpartition("/")[2]


def object_key(origin: str, path: str) -> str:
    """Return the key of a log's file in the object store."""
    return f"log/{name_of(origin)}/{path}"


def key_of(origin: str, signing_key: str) -> VerifierKey:
    """Return the verifier key for heads signed with this private key of 64 hex digits."""
    return VerifierKey(origin, NOTE, public_key(signing_key))


def signed_head(origin: str, size: int, root: bytes, signing_key: str) -> str:
    """Return the signed note of a head."""
    text, key = checkpoint_text(origin, size, root), key_of(origin, signing_key)
    return f"{text}\n{Signature(key.name, key.key_id, sign(text.encode(), signing_key)).line()}"


def read_witnesses(setting: str) -> Iterator[tuple[VerifierKey, str]]:
    """Yield each witness's key and address from PARTAGE_LOG_WITNESSES; refuses anything else."""
    for part in filter(None, map(str.strip, setting.split(","))):
        key, _, address = part.partition(" ")
        try:
            read = read_key(key)
        except PricingRefusal as problem:
            raise Invalid("PARTAGE_LOG_WITNESSES: {problem}.", problem=problem) from problem
        if not address.strip().startswith(("http://", "https://")):
            raise Invalid("PARTAGE_LOG_WITNESSES lists each witness as its key, a blank and its address (https://…).")
        yield read, address.strip().rstrip("/")


def read(entry: bytes) -> dict[str, Any]:
    """Return the content of one of our own entries."""
    content: dict[str, Any] = json.loads(entry)
    return content
