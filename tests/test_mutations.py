"""Every fault planted in the code of money is noticed by its tests: a third of them each day, all where EVERY_DEATH is set."""

import pytest

from tests.mutations import FAULTS, ROOT, main
from tests.support.share_of_day import share_of_day

DAYS = 3


def test_every_fault_fits_the_code_as_it_is() -> None:
    assert len(FAULTS) >= 15
    lost = [fault.name for fault in FAULTS if (ROOT / fault.file).read_text().count(fault.right) != 1]
    assert lost == []
    tests = [test.split("::")[0] for fault in FAULTS for test in fault.noticed_by]
    assert [test for test in tests if not (ROOT / test).exists()] == []


@pytest.mark.deep
def test_every_planted_fault_is_caught() -> None:
    assert main([fault.name for fault in share_of_day(FAULTS, DAYS)]) == []
