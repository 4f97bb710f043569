"""A restore brings back nobody who erased themselves after the backup was made."""

import os
from pathlib import Path

import pytest

from marketplace.commands.restore import _restore
from marketplace.core.backup.actions import back_up, new_key
from marketplace.core.errors import Conflict
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.settings import settings
from marketplace.oversight.rights.erasing import erase
from marketplace.oversight.rights.erasure_list import note_erasures, read_erasures
from tests.core.backup.machines import empty_machine
from tests.oversight.builders import LINE, identifiers, places_of, somebody
from tests.support.reads import fetch_value


@pytest.mark.long
async def test_a_restore_erases_again(
    postgres: EmbeddedPostgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.environ["PARTAGE_NOTES"] = str(tmp_path / "notes")
    settings.cache_clear()
    async with somebody() as zoe:
        searched = await identifiers(zoe)
        place, _ = await back_up(str(tmp_path / "backups"), [new_key(tmp_path / "key")])
        await erase(zoe.id)
        assert len(await read_erasures()) == 1, "it is noted before it is acknowledged"
        assert await note_erasures() == 0
        files = [path for path in (tmp_path / "notes").rglob("*") if path.is_file()]
        noted = "".join(path.read_text("latin-1") for path in files)
        assert not [one for one in [*searched, f"{LINE},"] if one in noted], "the notes say nothing of anybody"
        async with empty_machine(postgres, tmp_path / "there"):
            assert await _restore(place, tmp_path / "key")
            assert "1 people are erased again, of 1 on the list" in capsys.readouterr().out
            assert await places_of(searched) == set()
            assert await fetch_value("SELECT count(*) FROM person") == 0
            assert not await fetch_value(
                "SELECT given FROM consent_record WHERE subscriber = 1 ORDER BY id DESC LIMIT 1"
            )
            assert await fetch_value("SELECT count(*) FROM retraction WHERE subscriber = 1") == 1
            assert await fetch_value("SELECT count(*) FROM letter WHERE sealed_to IS NOT NULL") == 0, (
                "no second goodbye"
            )


async def test_only_our_own_entries_count(tmp_path: Path) -> None:
    os.environ["PARTAGE_NOTES"] = str(tmp_path / "notes")
    settings.cache_clear()
    async with somebody() as zoe:
        await erase(zoe.id)
        (entry,) = (tmp_path / "notes" / "erasures").iterdir()
        entry.write_text(entry.read_text().replace(str(zoe.id)[:8], "00000000"))
        with pytest.raises(Conflict, match="was not signed"):
            await read_erasures()
