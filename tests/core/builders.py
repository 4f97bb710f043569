"""What the database's and the store's tests begin with: objects in the store, the settings that jobs need."""

import random

from marketplace.core import object_store
from marketplace.core.sealing import public_key
from tests.support.production import key

NAMES = ("releases/1/cells.parquet", "private/releases/1/manifest.parquet", "events/store.json", "empty")


async def put_objects() -> dict[str, bytes]:
    """Put a few objects, one of several pieces, and return them."""
    chance = random.Random(5)  # noqa: S311 (the same bytes every run)
    sizes = (9_000_001, 70_000, 2, 0)
    objects = {name: chance.randbytes(size) for name, size in zip(NAMES, sizes, strict=True)}
    for name, data in objects.items():
        await object_store.put(name, data)
    return objects


OF_JOBS = {
    "PARTAGE_REHEARSAL": "1",
    "PARTAGE_BID_KEY": key("bids"),
    "PARTAGE_BID_PUBLIC_KEY": public_key(key("bids")),
    "PARTAGE_LOG_KEY": key("log"),
}
