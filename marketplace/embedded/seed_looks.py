"""Who looked at the demo's datasets, month by month: more each month, and more at some than at others."""

from __future__ import annotations

from typing import Final

from marketplace.embedded.seed_datasets import DATASETS
from marketplace.interest.actions import count_look, count_preview

BROWSER: Final = "Mozilla/5.0"
LOOKS: Final = 6
"""At the dataset that is looked at least, in the first month."""
LOOKS_A_PREVIEW: Final = 5


async def look_around(month: int) -> None:
    """Count a month's looks at the datasets, and the zones asked about. month: of the history, from 1."""
    for number, dataset in enumerate(DATASETS):
        looks = LOOKS + month * (len(DATASETS) - number) // 2 + (number * 5 + month * 3) % 7
        for look in range(looks):
            await count_look(dataset.code, BROWSER, None)
            if look % LOOKS_A_PREVIEW == 0:
                await count_preview(dataset.code, None)
