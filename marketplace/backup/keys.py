"""Which keys belong to this installation: noted by what names them, never the keys, so that another one is noticed.

A site with another signing key signs receipts that the one before disowns; with another secret, forms and links of one
process are refused by the next; with another key of bids, it seals what `jobs` never opens.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock, sealing, signing
from marketplace.backup.tables import InstallationKey
from marketplace.database import fetch_rows, select, transaction
from marketplace.errors import Conflict
from marketplace.settings import settings

if TYPE_CHECKING:
    from marketplace.settings import Settings

SIGNING, BIDS, SECRET = "PARTAGE_SIGNING_KEY", "PARTAGE_BID_KEY", "PARTAGE_SECRET"
SETTING_OF: Final = {SIGNING: SIGNING, BIDS: "PARTAGE_BID_PUBLIC_KEY", SECRET: SECRET}
"""The keys that every process has, and the setting of each that web and jobs alike have."""
ACCEPT: Final = "marketplace keys accept"


class NotedKey(Struct, frozen=True):
    """A key by its setting and by what names it."""

    name: str
    key_id: str


def key_ids(chosen: Settings) -> dict[str, str]:
    """Return the ids and public halves of the keys that rows and objects need; never a key."""
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
    """Note the keys of this process as this installation's where none is noted yet."""
    now = clock.now()
    rows = [InstallationKey(name=name, key_id=key_id, noted_at=now) for name, key_id in _of_this_process().items()]
    await InstallationKey.insert(*rows).on_conflict(action="DO NOTHING")


async def list_other_keys() -> list[str]:
    """Return the settings whose keys are others than those noted."""
    noted = {row.name: row.key_id for row in await fetch_rows(NotedKey, select(NotedKey, InstallationKey))}
    return [name for name, key_id in _of_this_process().items() if noted.get(name, key_id) != key_id]


def sentence_of(others: list[str]) -> str:
    """Name the settings with keys of another installation."""
    names = " and ".join(filter(None, [", ".join(others[:-1]), others[-1]]))
    return f"{names} {'is' if len(others) == 1 else 'are'} not what this installation was set up with."


async def refuse_other_keys() -> None:
    """Note the keys of this process, and refuse those of another installation."""
    await note_keys()
    if others := await list_other_keys():
        raise Conflict(
            "{sentence} Load its own environment file, or compare DATABASE_URL. Where you changed keys on purpose, give "
            "`{accept}` first.",
            sentence=sentence_of(others),
            accept=ACCEPT,
        )


async def accept_keys() -> list[str]:
    """Note the keys of this process in place of the ones before, and return which were others."""
    async with transaction():
        others = await list_other_keys()
        await InstallationKey.delete().where(InstallationKey.name.is_in(list(SETTING_OF.values())))
        await note_keys()
    return others
