"""A restore forgets nobody's word: what was acknowledged after the backup is there again before anything is served."""

import asyncio
import datetime as dt
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from marketplace.commands.restore import _restore
from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.in_force import consent_in_force
from marketplace.consent.purposes.queries import list_choices
from marketplace.consent.switches import actions as switches
from marketplace.consent.switches.queries import find_pause
from marketplace.consent.switches.rules import EVERYTHING, Scope, write
from marketplace.core import clock
from marketplace.core.backup.actions import back_up, new_key
from marketplace.core.database import copy_in
from marketplace.core.notes import place
from marketplace.core.notes.actions import note_waiting
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.settings import settings
from marketplace.datasets.retractions.actions import ask
from tests.consent.builders import PURPOSE, explain_purpose
from tests.core.backup.machines import empty_machine
from tests.support.reads import fetch, fetch_value

AT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
NO_POLICE = write(Scope(EVERYTHING.sources, ("public",), home=False, elsewhere=True, weekdays=(1,), hours=(9,)))
WORDS = "SELECT subscriber, purpose, given, at, receipt, channel, notice, covers FROM consent_record ORDER BY at, id"
KILLED = """
import asyncio, os, signal, uuid
from marketplace.consent.purposes import actions as consent
from marketplace.core import database
from marketplace.core.notes import place
from marketplace.core.settings import settings
async def die(*_): os.kill(os.getpid(), signal.SIGKILL)
async def story():
    await database.open_pool(settings().database_url)
    place.put = die
    await consent.withdraw(1, "presence.statistics", receipt=uuid.UUID(int=7))
asyncio.run(story())
"""


def note_apart(folder: Path) -> None:
    os.environ["PARTAGE_NOTES"] = str(folder / "notes")
    settings.cache_clear()


async def test_a_restore_repeats_every_word_in_order_and_builds_obey(
    postgres: EmbeddedPostgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note_apart(tmp_path)
    await explain_purpose(AT, lines=range(1, 9))
    for line in range(1, 7):
        await consent.give(line, PURPOSE)
    backup, _ = await back_up(str(tmp_path / "backups"), [new_key(tmp_path / "key")])
    await consent.withdraw(1, PURPOSE)
    await consent.give(2, PURPOSE, covers=NO_POLICE)
    await consent.withdraw(3, PURPOSE, channel="shop", at=clock.now())
    await consent.give(3, PURPOSE)
    await switches.pause(4, form := uuid.uuid4())
    await switches.pause(5, uuid.uuid4())
    await switches.resume(5, uuid.uuid4())
    await consent.state_kind(6, "child")
    await copy_in("subscriber", ["reference"], [(99,)])
    await consent.give(99, PURPOSE)
    await consent.withdraw(99, PURPOSE)
    await asyncio.gather(*(consent.give(line, PURPOSE) for line in (7, 8)))
    await ask(AT, AT + dt.timedelta(days=1), subscriber=2, reason="theirs", by="subscriber")
    words, lines = await fetch(WORDS), (await consent_in_force(PURPOSE, clock.now())).lines.tolist()
    assert lines == [2, 3, 5, 7, 8]
    async with empty_machine(postgres, tmp_path / "there"):
        assert await _restore(backup, tmp_path / "key")
        assert "notes of what people said are repeated" in capsys.readouterr().out
        assert await fetch(WORDS) == words
        assert (await consent_in_force(PURPOSE, clock.now())).lines.tolist() == lines
        paused = await find_pause(4)
        assert paused is not None
        assert paused.id == form
        assert await find_pause(5) is None
        assert await switches.resume(4, uuid.uuid4()) == 1, "a pause that was repeated can be ended"
        assert await fetch_value("SELECT count(*) FROM retraction WHERE subscriber = 2") == 1


async def test_a_word_whose_process_was_killed_before_its_note_is_noted_by_the_job(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    note_apart(tmp_path)
    await explain_purpose(AT, lines=[1])
    await consent.give(1, PURPOSE)
    backup, _ = await back_up(str(tmp_path / "backups"), [new_key(tmp_path / "key")])
    ran = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED], env=os.environ, capture_output=True, check=False
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert await fetch_value("SELECT count(*) FROM waiting_note") == 1, "it was committed, and nobody got an answer"
    await note_waiting()
    assert await fetch_value("SELECT count(*) FROM waiting_note") == 0
    async with empty_machine(postgres, tmp_path / "there"):
        assert await _restore(backup, tmp_path / "key")
        assert await fetch_value("SELECT given FROM consent_record WHERE receipt = $1", uuid.UUID(int=7)) is False


async def test_a_repeated_request_is_answered_only_once_its_word_is_outside(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(exist_ok=True)
    note_apart(tmp_path)
    await explain_purpose(AT, lines=[1])
    (tmp_path / "notes").write_text("no folder")
    (tmp_path / "state" / place.WAITING).write_text("nor this")
    receipt = uuid.uuid4()
    for _ in range(2):
        with pytest.raises(Exception, match="cannot be kept safe just now"):
            await consent.withdraw(1, PURPOSE, receipt=receipt)
    (tmp_path / "state" / place.WAITING).unlink()
    assert await consent.withdraw(1, PURPOSE, receipt=receipt) == receipt
    assert await fetch_value("SELECT count(*) FROM waiting_note") == 0
    assert len(place.list_waiting()) == 1


async def test_a_consent_under_a_notice_that_is_gone_is_named_and_a_withdrawal_repeated(
    postgres: EmbeddedPostgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note_apart(tmp_path)
    await explain_purpose(AT, lines=[1, 2])
    await consent.give(2, PURPOSE)
    backup, _ = await back_up(str(tmp_path / "backups"), [new_key(tmp_path / "key")])
    await consent.publish_notice(PURPOSE, text_fr="On compte autrement.", text_en="We count otherwise.")
    await consent.give(1, PURPOSE)
    await consent.withdraw(2, PURPOSE)
    await consent.give_many(PURPOSE, [1], clock.now())
    async with empty_machine(postgres, tmp_path / "there"):
        assert await _restore(backup, tmp_path / "key")
        printed = capsys.readouterr().out
        assert f"consent: The notice of {PURPOSE} is gone under which this consent was given." in printed
        assert f"consents_imported: Import {PURPOSE} again: 1 consents." in printed
        assert not (await list_choices(1))[0].given
        assert not (await list_choices(2))[0].given
