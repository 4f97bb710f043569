"""The keys of this installation, recorded by their ids and never in full, so that a wrong key is noticed.

A site with another signing key signs receipts that the previous site would not recognise. With another secret, each
process refuses the forms and links of the other. With another key of bids, it seals bids that `jobs` cannot open.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock, sealing, signing
from marketplace.core.backup.tables import InstallationKey
from marketplace.core.database import fetch_rows, select, transaction
from marketplace.core.errors import Conflict
from marketplace.core.settings import settings

if TYPE_CHECKING:
    from marketplace.core.settings import Settings

SIGNING, BIDS, SECRET = "PARTAGE_SIGNING_KEY", "PARTAGE_BID_KEY", "PARTAGE_SECRET"
SETTING_OF: Final = {SIGNING: SIGNING, BIDS: "PARTAGE_BID_PUBLIC_KEY", SECRET: SECRET}
"""The keys that every process has, and the setting of each that web and jobs have in common."""
ACCEPT: Final = "marketplace keys accept"


class NotedKey(Struct, frozen=True):
    """A key by its setting and id."""

    name: str
    key_id: str


def key_ids(chosen: Settings) -> dict[str, str]:
    """Return the ids and public keys of the keys that rows and objects need; never a private key."""
    bids = chosen.bid_public_key or sealing.public_key(chosen.bid_key)
    secret = hashlib.sha256(b"partage secret id" + chosen.secret.encode()).hexdigest()[:16]
    return {
        SIGNING: signing.public_key(chosen.signing_key).hex(),
        BIDS: bids,
        SECRET: secret,
        **{f"PARTAGE_IDENTITY_KEYS {one.partition(':')[0]}": "there" for one in chosen.identity_keys.split(",")},
    }


def _of_this_process() -> dict[str, str]:
    ids = key_ids(settings())
    return {setting: ids[name] for name, setting in SETTING_OF.items()}


async def note_keys() -> None:
    """Record the keys of this process as this installation's, unless keys are recorded already."""
    now = clock.now()
    rows = [InstallationKey(name=name, key_id=key_id, noted_at=now) for name, key_id in _of_this_process().items()]
    await InstallationKey.insert(*rows).on_conflict(action="DO NOTHING")


async def list_other_keys() -> list[str]:
    """Return the settings whose keys differ from the recorded ones."""
    noted = {row.name: row.key_id for row in await fetch_rows(NotedKey, select(NotedKey, InstallationKey))}
    return [name for name, key_id in _of_this_process().items() if noted.get(name, key_id) != key_id]


def sentence_of(others: list[str]) -> str:
    """Name the settings with keys of another installation."""
    names = " and ".join(filter(None, [", ".join(others[:-1]), others[-1]]))
    return f"{names} {'is' if len(others) == 1 else 'are'} not what this installation was set up with."


async def refuse_other_keys() -> None:
    """Record the keys of this process, and refuse those of another installation."""
    await note_keys()
    if others := await list_other_keys():
        raise Conflict(
            "{sentence} Load its own environment file, or compare DATABASE_URL. Where you changed keys on purpose, give "
            "`{accept}` first.",
            sentence=sentence_of(others),
            accept=ACCEPT,
        )


async def accept_keys() -> list[str]:
    """Record the keys of this process in place of the previous ones, and return the settings that differed."""
    async with transaction():
        others = await list_other_keys()
        await InstallationKey.delete().where(InstallationKey.name.is_in(list(SETTING_OF.values())))
        await note_keys()
    return others
