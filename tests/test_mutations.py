"""Every fault planted in the code of money is noticed by its tests: a third of them each day, all where EVERY_DEATH is set."""

from __future__ import annotations

import datetime as dt
import os

import pytest

from tests.mutations import FAULTS, ROOT, main

DAYS = 3


def test_every_fault_fits_the_code_as_it_is() -> None:
    assert len(FAULTS) >= 15
    lost = [fault.name for fault in FAULTS if (ROOT / fault.file).read_text().count(fault.right) != 1]
    assert lost == []


@pytest.mark.deep
def test_every_planted_fault_is_caught() -> None:
    days = 1 if os.environ.get("EVERY_DEATH") else DAYS
    today = dt.datetime.now(dt.UTC).toordinal() % days
    assert main([fault.name for fault in FAULTS[today::days]]) == []
