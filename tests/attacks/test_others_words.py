"""The attack: somebody who refuses a sector is counted for it, because a line above theirs narrowed its consent and went."""

from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.in_force import InForce
from marketplace.consent.switches import actions as switches
from marketplace.consent.switches.rules import EVERYTHING
from marketplace.core.instants import FOREVER_US
from marketplace.datasets.releases import actions as datasets
from tests.datasets import builders

VICTIM, HIGHER = 77, 90
REFUSING = structs.replace(EVERYTHING, sectors=("public",))


def test_lines_that_consent_to_nothing_change_nothing_of_others() -> None:
    """A thousand sets of consents, some lines of each narrowed, others of nobody: as one by one."""
    rng = np.random.default_rng(6)
    for _ in range(1_000):
        lines = np.unique(rng.integers(0, 40, rng.integers(1, 12)))
        from_us, until_us = rng.integers(0, 50, len(lines)), rng.integers(50, 100, len(lines))
        narrowed = rng.choice(50, rng.integers(1, 12), replace=False)
        instants = {int(line): int(rng.integers(0, 120)) for line in narrowed}
        expected = [
            (line, max(begins, instants.get(line, 0)), ends)
            for line, begins, ends in zip(lines.tolist(), from_us.tolist(), until_us.tolist(), strict=True)
            if max(begins, instants.get(line, 0)) < ends
        ]
        found = InForce(lines, from_us, until_us).since(instants)
        assert list(zip(*(column.tolist() for column in found), strict=True)) == expected
    single = InForce(np.array([1]), np.zeros(1, np.int64), np.full(1, FOREVER_US))
    assert single.since({HIGHER: FOREVER_US}).lines.tolist() == [1]


@pytest.mark.usefixtures("lavish_year")
@pytest.mark.parametrize("went", [False, True])
async def test_who_refuses_a_sector_is_not_in_what_it_buys_whichever_others_went(tmp_path: Path, *, went: bool) -> None:
    """Line 90 narrowed its consent once, and withdrew it. Line 77 refuses all sectors but the public one."""
    exact = {"epsilon_micro": 2_000_000_000, "budget_micro": 8_000_000_000, "max_cells": 20}
    everybody = [*range(1, 41), VICTIM]
    await builders.declare(**exact)
    await builders.declare(**exact | {"code": "lyon-insured", "sectors": ["insurance"], "variant_of": "lyon"})
    await builders.make_subscribers([*everybody, HIGHER], consenting=everybody)
    await switches.choose(VICTIM, builders.PURPOSE, REFUSING)
    if went:
        await switches.choose(HIGHER, builders.PURPOSE, REFUSING)
        await consent.withdraw(HIGHER, builders.PURPOSE)
    seen = [(who, builders.at(hour), builders.ZONES[hour % 3]) for who in everybody for hour in range(8)]
    files = builders.write(tmp_path, seen, [*everybody, HIGHER])
    release = await datasets.build("lyon-insured", **files, period_from=builders.START, period_to=builders.END)
    weighed = (await builders.kept(release, "manifest"))["reference"].to_pylist()
    assert sorted(weighed) == everybody[:-1]
