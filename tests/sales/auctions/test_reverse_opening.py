"""Opening sealed asks, in processes of their own or in one that is shared."""

import uuid

import pytest

from marketplace.core import sealing
from marketplace.sales.auctions.reverse_opening import Opener


async def test_asks_are_opened_in_processes_of_their_own_in_order() -> None:
    key = "5e" * 32
    rows = [uuid.uuid4() for _ in range(40)]
    sealed = [
        sealing.seal({"least_micro": 7 * at}, row, sealing.public_key(key), padded_to=64) for at, row in enumerate(rows)
    ]
    for is_shared in (True, False):
        opener = Opener(key, is_shared=is_shared)
        for at in range(0, 40, 4):
            await opener.add([row.bytes for row in rows[at : at + 4]], sealed[at : at + 4])
        assert (await opener.all()).tolist() == [7 * at for at in range(40)]
        await opener.add([rows[0].bytes], [sealed[1]])
        with pytest.raises(sealing.UnopenableError, match="does not open"):
            await opener.all()
        opener.close()
