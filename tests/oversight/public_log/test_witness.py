"""Witnesses: what they cosign and what they refuse, over HTTP; and going on after a restore, or saying that it cannot."""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import uvicorn

from marketplace.commands import doctor
from marketplace.commands import witness as command
from marketplace.core import clock
from marketplace.core.backup.actions import note_point_in_time
from marketplace.core.backup.tables import Restoration
from marketplace.core.errors import Conflict, Invalid, Unavailable
from marketplace.core.settings import settings
from marketplace.oversight.public_log import after_restore, rules
from marketplace.oversight.public_log.actions import keep_log
from marketplace.oversight.public_log.queries import count_entries, find_head
from marketplace.oversight.public_log.witness import Reply, Witness
from marketplace.oversight.public_log.witnessing import ask_size
from pricing.log.notes import VerifierKey, cosigned_at, read_checkpoint, read_key
from pricing.merkle import merkle_root
from tests.oversight.builders import log_folder, log_key, names_in_store, overwrite, state_facts, verify
from tests.support.owner import as_owner
from tests.support.sites import the_site
from tests.support.waiting import until

ORIGIN = "127.0.0.1:8000/log/1"


@contextlib.asynccontextmanager
async def serving_witnesses(*witnesses: Witness) -> AsyncIterator[list[str]]:
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
    async with serving_witnesses(one, two) as (first, _), httpx.AsyncClient() as client:
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


async def test_a_log_that_submits_while_it_is_looked_at_gets_no_second_history(tmp_path: Path) -> None:
    """A slow look at an old head must not make a witness forget the larger one that it cosigned meanwhile."""
    await state_facts(0, 3)
    await keep_log()
    folder, witness = await log_folder(), Witness(tmp_path / "one", "one.example/w", our_key())
    early = {name: (folder / name).read_bytes() for name in await names_in_store()}
    await state_facts(3, 5)
    await keep_log()
    note = (folder / "checkpoint").read_text()

    def read(path: str) -> bytes | None:
        if path != "checkpoint":
            assert witness.add_checkpoint(f"old {witness.seen.size}\n\n{note}").status == 200
        return early.get(path)

    assert "meanwhile" in witness.look(read)
    assert witness.seen.size == await count_entries()
    assert Witness(tmp_path / "one", "one.example/w", our_key()).seen == witness.seen


class Liar(Witness):
    """A witness whose answers are none: of another key, of no signature, or of no size."""

    answers: Final = [Reply(200, "x\n"), Reply(200, "— w.example/w AAAAAAAA\n"), Reply(500, "busy\n")]

    def add_checkpoint(self, body: str) -> Reply:
        assert body.startswith("old ")
        return self.answers.pop(0)


async def test_a_witness_that_lies_or_is_gone_stops_nothing(tmp_path: Path) -> None:
    liar, gone = Liar(tmp_path / "liar", "w.example/w", our_key()), Witness(tmp_path / "g", "g.example/w", our_key())
    async with serving_witnesses(liar) as (address,):
        os.environ["PARTAGE_LOG_WITNESSES"] += f", {gone.key} http://127.0.0.1:9"
        settings.cache_clear()
        for number in range(2):
            await state_facts(number, number + 1)
            assert await keep_log()
        head = await find_head()
        assert head
        with pytest.raises(Unavailable, match="does not say"):
            await ask_size(liar.key, address, head.note)
    for wrong in ("nothing https://x.example", f"{gone.key} x.example"):
        with pytest.raises(Invalid, match="PARTAGE_LOG_WITNESSES"):
            list(rules.read_witnesses(wrong))


@pytest.mark.long
async def test_the_command_looks_at_a_log_over_http(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = uvicorn.Server(uvicorn.Config(the_site(), port=0, log_level="critical", lifespan="off", ws="none"))
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    site = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    async def look(**changed: Any) -> int:
        asked = {"url": f"{site}/log/1", "key": our_key(), "folder": tmp_path / "w", "name": "w.example/1", "every": 0}
        asked |= changed
        parser = argparse.ArgumentParser()
        command.arguments(parser)
        words = [str(asked.pop("url")), *(f"--{name}={value}" for name, value in asked.items())]
        return await asyncio.to_thread(command.run, parser.parse_args(words))

    assert await look() == 0
    await state_facts(0, 300)
    await keep_log()
    assert await look() == 0
    shown = capsys.readouterr().out
    assert "The log has no head yet." in shown
    assert f"Cosigned the head of {await count_entries()} entries." in shown
    assert "w.example/1+" in shown
    assert await look(url="http://127.0.0.1:9/log/1") == 0
    assert await look(url=f"{site}/en") == 0
    assert "does not answer" in capsys.readouterr().err
    # One that listens looks again and again, and ends where the log shows another history.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    looking = asyncio.create_task(look(port=port, every=1, folder=tmp_path / "two"))
    await until((tmp_path / "two/seen.json").exists)

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    await until(listens)
    async with httpx.AsyncClient() as client:
        assert "two histories" not in (await client.get(f"http://127.0.0.1:{port}/checkpoint")).text
    true = (await log_folder() / "checkpoint").read_bytes()
    other = rules.signed_head(our_key().name, await count_entries(), b"\1" * 32, settings().log_key)
    await overwrite("checkpoint", other.encode())
    assert await asyncio.wait_for(looking, 60) == 1
    await overwrite("checkpoint", true)
    with pytest.raises(Invalid, match="--key"):
        await look(key="nothing")
    seen = json.loads((tmp_path / "w/seen.json").read_text())
    (tmp_path / "w/seen.json").write_text(json.dumps(seen | {"size": 7, "root": "ab" * 32}))
    assert await look() == 1
    assert "Two histories" in capsys.readouterr().err
    server.should_exit = True
    await running


async def test_after_a_restore_the_log_goes_on_or_says_that_it_cannot(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "one", "one.example/w", our_key())
    async with serving_witnesses(witness):
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
        os.environ["PARTAGE_LOG_KEY"] = "ab" * 32  # as in the environment of `jobs`
        settings.cache_clear()
        [checked] = await doctor._check_log()
        assert "stays as it is" in checked.problem
        del os.environ["PARTAGE_LOG_KEY"]
        settings.cache_clear()
        assert await doctor._check_log() == []
    with pytest.raises(Unavailable):
        await keep_log()
    os.environ["PARTAGE_LOG_WITNESSES"] = ""
    settings.cache_clear()
    with pytest.raises(Conflict, match="stays as it is"):
        await keep_log()
    os.environ["PARTAGE_LOG_ORIGIN"] = "elsewhere.example/log/1"
    settings.cache_clear()
    with pytest.raises(Conflict, match="its last part must be new"):
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


async def test_a_machine_that_went_back_unnoticed_signs_no_second_history(tmp_path: Path) -> None:
    """A snapshot of the disks that nobody noted, and a database brought to an instant beside a store that went back too."""
    witness = Witness(tmp_path / "one", "one.example/w", our_key())
    async with serving_witnesses(witness):
        await state_facts(0, 5)
        await keep_log()
        size = await count_entries()
        shutil.copytree(await log_folder(), tmp_path / "earlier")
        await state_facts(5, 8)
        await keep_log()
        await forget_entries(size)
        shutil.rmtree(await log_folder())
        shutil.copytree(tmp_path / "earlier", await log_folder())
        after_restore._known_last.clear()  # the machine starts again
        await state_facts(20, 21)
        with pytest.raises(Conflict, match="signed by this log, of another history"):
            await keep_log()
        assert await count_entries() == size
        shutil.rmtree(await log_folder())
        with pytest.raises(Conflict, match="signed by this log, of another history"):
            await keep_log()
        # A witness that lies stops nothing, for what it shows was signed by another key.
        honest, witness.seen = (
            witness.seen,
            type(witness.seen)(99, "", rules.signed_head(ORIGIN, 99, b"\1" * 32, "ab" * 32)),
        )
        assert await keep_log()
        # A running process, whose witness refuses what it published, looks before it goes on.
        witness.seen = honest
        await state_facts(21, 22)
        with pytest.raises(Conflict, match="signed by this log, of another history"):
            await keep_log()
    os.environ["PARTAGE_LOG_WITNESSES"] = ""
    settings.cache_clear()
    await note_point_in_time(clock.now())
    assert await keep_log(), "the store serves what the database signed"
    await note_point_in_time(clock.now())
    shutil.rmtree(await log_folder())
    await state_facts(23, 24)
    with pytest.raises(Conflict, match="no witness can say"):
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
