"""`sheets`: a market is run by scripts, from files alone."""

import argparse
import json
from pathlib import Path

import pytest

from marketplace.catalogue.offers.actions import price_now
from marketplace.catalogue.offers.queries import list_priced_releases
from marketplace.catalogue.sheets.queries import get_law, list_history
from marketplace.commands import sheets
from marketplace.core import clock
from marketplace.core.errors import Invalid
from tests.catalogue.builders import open_catalogue, seal_week
from tests.datasets.builders import BANDS, ZONES
from tests.support.reads import fetch_value

TERMS = {
    "segments": dict.fromkeys(BANDS, (1, 1_000_000 // len(BANDS))),
    "worth_micro": 9_000_000,
    "half_life_hours": 1_000,
    "rights": {"internal": 6_000, "publish": 8_000},
    "purposes": {},
}


async def run_sheets(*words: str) -> None:
    """Run the command in this process."""
    parser = argparse.ArgumentParser()
    sheets.arguments(parser)
    await sheets.run(parser.parse_args(words))


async def test_a_market_is_defined_proposed_stated_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await open_catalogue()
    release = await seal_week(by_day=True)
    define = ("define", "second", "--dataset", "lyon", "--title-fr", "Présence", "--title-en", "Presence")
    await run_sheets(*define)
    await run_sheets(*define)
    assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'market_defined'") == 1
    capsys.readouterr()
    await run_sheets("propose", "second", "--people", "700")
    constants, terms = tmp_path / "constants.csv", tmp_path / "terms.json"
    constants.write_text(capsys.readouterr().out)
    assert len(constants.read_text().splitlines()) == 1 + len(ZONES)
    terms.write_text(json.dumps(TERMS))
    [row] = await list_priced_releases([release])
    before = (await price_now(row, now=clock.now())).amount_minor
    await run_sheets("state", "sheet-lyon", str(constants), str(terms), "--dry-run")
    foreseen = capsys.readouterr().out
    assert len(await list_history("sheet-lyon")) == 1, "a dry run states nothing"
    for _ in range(2):
        await run_sheets("state", "sheet-lyon", str(constants), str(terms))
    assert len(await list_history("sheet-lyon")) == 2
    after = (await price_now(row, now=clock.now())).amount_minor
    assert f"{before / 100:.2f} -> {after / 100:.2f}" in foreseen
    assert "says so already: version 2" in capsys.readouterr().out
    await run_sheets("state", "second", str(constants), str(terms), "--from", "2040-01-01")
    await run_sheets("list")
    listed = capsys.readouterr().out
    assert "sheet-lyon  presence by day" in listed
    assert "version 2 since" in listed
    assert "second  presence by day, H3" in listed
    assert "no version in force" in listed
    terms.write_text(json.dumps(TERMS | {"half_life": 3}))
    with pytest.raises(Invalid, match="file of terms"):
        await run_sheets("state", "second", str(constants), str(terms))


async def test_a_law_is_stated_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "law.json"
    file.write_text(json.dumps({"currency": "EUR", "volume": [[0, 10_000], [200_000, 8_500]], "least_minor": 9_000}))
    for _ in range(2):
        await run_sheets("law", str(file))
    assert await fetch_value("SELECT count(*) FROM volume_law") == 1
    law = await get_law("EUR", clock.now())
    assert ([tuple(step) for step in law.volume], law.least_minor) == ([(0, 10_000), (200_000, 8_500)], 9_000)
    assert "says so already" in capsys.readouterr().out
    for wrong in ({"volume": [[5, 1]]}, {"least_minor": "much"}):
        file.write_text(json.dumps({"currency": "EUR", "volume": [[0, 1]], "least_minor": 1} | wrong))
        with pytest.raises(Invalid, match="no law of volume"):
            await run_sheets("law", str(file))
