"""Licence terms, once stated, never change; a dataset is offered on its own market's sheet alone."""

import pytest

from marketplace.catalogue.offers import actions
from marketplace.catalogue.offers.rules import next_version
from marketplace.core.errors import Conflict, Invalid, NotFound
from tests.catalogue.builders import TERMS, open_catalogue
from tests.support.reads import fetch_value


async def test_a_dataset_is_offered_on_a_sheet_of_its_market_under_terms_that_there_are() -> None:
    await open_catalogue("lyon")
    await open_catalogue("hours", grain="hour")
    with pytest.raises(Invalid, match="counts other figures"):
        await actions.list_offer("lyon", terms=TERMS, sheet="sheet-hours")
    with pytest.raises(NotFound):
        await actions.list_offer("lyon", terms=TERMS, sheet="nowhere")
    with pytest.raises(NotFound, match="no licence terms"):
        await actions.list_offer("lyon", terms="standard-9", sheet="sheet-lyon")
    assert await fetch_value("SELECT sheet FROM offer WHERE dataset = 'lyon'") == "sheet-lyon"


async def test_terms_once_stated_never_change() -> None:
    await open_catalogue()
    with pytest.raises(Conflict, match="never change"):
        await actions.define_terms(TERMS, months=24, lines_fr="a\nb\nc\nd\ne", lines_en="v\nw\nx\ny\nz")
    for months in (0, 121):
        with pytest.raises(Invalid, match="between 1 and 120"):
            await actions.define_terms("standard-2", months=months, lines_fr="a", lines_en="b")
    assert [next_version(code) for code in ("standard-1", "standard", "public-use-9")] == [
        "standard-2",
        "standard-2",
        "public-use-10",
    ]
