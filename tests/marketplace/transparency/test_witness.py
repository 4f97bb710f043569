"""Witnesses: what they cosign and what they refuse, over HTTP; and going on after a restore, or saying that it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn

from marketplace import clock
from marketplace.backup.actions import note_point_in_time
from marketplace.backup.tables import Restoration
from marketplace.errors import Conflict, Invalid, Unavailable
from marketplace.settings import settings
from marketplace.transparency import rules
from marketplace.transparency.actions import keep_log
from marketplace.transparency.queries import count_entries, find_head
from marketplace.transparency.witness import Witness
from pricing.log.notes import VerifierKey, cosigned_at, read_checkpoint, read_key
from pricing.merkle import merkle_root
from tests.marketplace.transparency.logs import log_folder, log_key, overwrite, state_facts, verify
from tests.support.owner import as_owner
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ORIGIN = "127.0.0.1:8000/log/1"


@contextlib.asynccontextmanager
async def serving(*witnesses: Witness) -> AsyncIterator[list[str]]:
    """Serve witnesses on ports of their own, and let the log know them; their addresses."""
    servers = [uvicorn.Server(uvicorn.Config(one, port=0, log_level="critical", lifespan="off")) for one in witnesses]
    running = [asyncio.create_task(server.serve()) for server in servers]
    await until(lambda: all(server.started for server in servers))
    addresses = [f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}" for server in servers]
    listed = [f"{one.key} {address}" for one, address in zip(witnesses, addresses, strict=True)]
    os.environ["PARTAGE_LOG_WITNESSES"] = ", ".join(listed)
    settings.cache_clear()
    try:
        yield addresses
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*running)


def our_key() -> VerifierKey:
    return rules.key_of(ORIGIN, settings().log_key)


async def test_witnesses_cosign_what_only_grew_and_refuse_the_rest(tmp_path: Path) -> None:
    one, two = (Witness(tmp_path / name, f"{name}.example/w", our_key()) for name in ("one", "two"))
    async with serving(one, two) as (first, _), httpx.AsyncClient() as client:
        assert (await client.get(f"{first}/checkpoint")).status_code == 404
        await state_facts(0, 5)
        await keep_log()
        await state_facts(5, 300)
        await keep_log()
        folder, key = await log_folder(), await log_key()
        note = (folder / "checkpoint").read_text()
        seen = read_checkpoint(note)
        assert None not in {cosigned_at(seen, witness.key) for witness in (one, two)}
        status, printed = verify(
            "--key", key, "--tiles", folder, "--witness", one.key, "--witness", two.key, "--quorum", 2
        )
        assert status == 0, printed
        assert verify("--key", key, "--tiles", folder, "--witness", one.key, "--quorum", 2)[0] == 1
        assert one.seen.size == seen.size == await count_entries()
        assert Witness(tmp_path / "one", "one.example/w", our_key()).seen == one.seen, "it remembers"

        async def add(body: str) -> httpx.Response:
            return await client.post(f"{first}/add-checkpoint", content=body.encode())

        forged = rules.signed_head(ORIGIN, seen.size, b"\1" * 32, settings().log_key)
        larger = rules.signed_head(ORIGIN, seen.size + 9, b"\1" * 32, settings().log_key)
        other = rules.signed_head("other.example/log/1", 1, b"\1" * 32, settings().log_key)
        unsigned = rules.signed_head(ORIGIN, seen.size, seen.root, "ab" * 32)
        for body, status in (
            (f"old {seen.size}\n\n{note}", 200),
            (f"old 1\n\n{note}", 409),
            (f"old {seen.size}\n\n{forged}", 409),
            (f"old {seen.size}\nAAAA\n\n{larger}", 422),
            (f"old {seen.size + 99}\n\n{note}", 400),
            (f"old 1\n\n{other}", 404),
            (f"old {seen.size}\n\n{unsigned}", 403),
            ("old 1\n\nnothing", 400),
            ("old -1\n\n" + note, 400),
            ("x" * 200_000, 413),
        ):
            answer = await add(body)
            assert answer.status_code == status, (body[:60], answer.text)
        assert (await add(f"old 1\n\n{note}")).headers["content-type"] == "text/x.tlog.size"
        assert len(list((tmp_path / "one").glob("other-*"))) == 2, "evidence is saved"
        assert one.key.name in (await client.get(f"{first}/checkpoint")).text

    def read(path: str) -> bytes | None:
        file = folder / path
        return file.read_bytes() if file.is_file() else None

    three = Witness(tmp_path / "three", "three.example/w", read_key(key))
    assert three.look(lambda _: None) == "The log has no head yet."
    assert "Cosigned the head of" in three.look(read)
    three.seen = type(three.seen)(4, merkle_root([b"another history"]).hex(), "")
    with pytest.raises(Invalid, match="Two histories"):
        three.look(read)
    three.seen = type(three.seen)(9_999, "", "")
    assert "an old head" in three.look(read)
    with pytest.raises(Invalid, match="not its own"):
        Witness(tmp_path / "four", "four.example/w", VerifierKey("x", 1, b"\0" * 32)).look(read)


async def test_after_a_restore_the_log_goes_on_or_says_that_it_cannot(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "one", "one.example/w", our_key())
    async with serving(witness):
        await state_facts(0, 5)
        await keep_log()
        size = await count_entries()
        shutil.copytree(await log_folder(), tmp_path / "earlier")
        await state_facts(5, 8)
        await keep_log()
        # The database alone goes back: what the store serves is brought back.
        await forget_entries(size)
        await note_point_in_time(clock.now())
        await state_facts(5, 6)  # stated again after the restore
        await state_facts(8, 9)
        assert await keep_log()
        assert await count_entries() == size + 4, "three came back, one is new, one was there already"
        # Database and store go back, and the witness has seen more.
        await forget_entries(size)
        shutil.rmtree(await log_folder())
        shutil.copytree(tmp_path / "earlier", await log_folder())
        await Restoration.insert(Restoration(backed_up_at=clock.now(), restored_at=clock.now(), backup_sha256="ab"))
        await state_facts(20, 21)
        with pytest.raises(Conflict, match="stays as it is"):
            await keep_log()
        assert await count_entries() == size
    with pytest.raises(Unavailable):
        await keep_log()
    os.environ["PARTAGE_LOG_WITNESSES"] = ""
    settings.cache_clear()
    with pytest.raises(Conflict, match="stays as it is"):
        await keep_log()
    os.environ["PARTAGE_LOG_ORIGIN"] = "127.0.0.1:8000/log/2"
    settings.cache_clear()
    assert await keep_log() >= 1
    head = await find_head()
    assert head
    assert (head.origin, head.size) == ("127.0.0.1:8000/log/2", await count_entries())
    assert verify("--key", await log_key(), "--tiles", await log_folder())[0] == 0
    # A store that serves another history is not built upon.
    await overwrite("checkpoint", rules.signed_head(head.origin, head.size, b"\1" * 32, settings().log_key).encode())
    with pytest.raises(Conflict, match="not of this log"):
        await keep_log()
    await overwrite("checkpoint", rules.signed_head(head.origin, 900, b"\1" * 32, settings().log_key).encode())
    with pytest.raises(Conflict, match="the log has no"):
        await keep_log()
    await overwrite("checkpoint", rules.signed_head(head.origin, 1, b"\1" * 32, settings().log_key).encode())
    with pytest.raises(Conflict, match="others"):
        await keep_log()


async def forget_entries(size: int) -> None:
    """Bring the log's tables back to its first `size` entries, as a restore of the database does."""
    for table in ("log_fact", "log_entry", "log_head"):
        await as_owner(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
    await as_owner("DELETE FROM unlogged_fact")
    await as_owner("DELETE FROM log_entry WHERE number >= $1", size)
    await as_owner("DELETE FROM log_head WHERE size > $1", size)
    await as_owner("DELETE FROM log_fact WHERE NOT EXISTS (SELECT FROM log_entry WHERE fact = log_fact.id)")
    for table in ("log_fact", "log_entry", "log_head"):
        await as_owner(f"ALTER TABLE {table} ENABLE TRIGGER append_only")
