"""Every fault planted in the code of money is noticed by its tests."""

from __future__ import annotations

import pytest

from tests.mutations import FAULTS, ROOT, main


def test_every_fault_fits_the_code_as_it_is() -> None:
    assert len(FAULTS) >= 15
    lost = [fault.name for fault in FAULTS if (ROOT / fault.file).read_text().count(fault.right) != 1]
    assert lost == []


@pytest.mark.deep
def test_every_planted_fault_is_caught() -> None:
    assert main([]) == []
