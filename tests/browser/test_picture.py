"""README's picture: the dataset page of the seeded city, drawn again when PARTAGE_PICTURE=1 is set and the demo runs."""

import asyncio
import os
from pathlib import Path

import pytest

from marketplace.core.settings import settings
from tests.support.browsing import chromium_of

PICTURE = Path(__file__).parent / "dataset.png"
TALLEST, LARGEST_BYTES = 1400, 300_000


async def draw_picture(executable: str) -> None:
    """Draw the picture of the demo that runs at HOST and PORT: English, light, 1280 pixels wide."""
    async with chromium_of(executable) as browser:
        page = await browser.new_page(locale="en-GB", color_scheme="light", viewport={"width": 1280, "height": TALLEST})
        await page.goto(f"{settings().url}/en/datasets/lyon-presence-hour")
        card = await page.locator(".card").first.bounding_box()
        assert card
        await page.screenshot(
            path=PICTURE, clip={"x": 0, "y": 0, "width": 1280, "height": card["y"] + card["height"] + 12}
        )


@pytest.mark.deep
def test_the_picture_is_there(chromium: str) -> None:
    if os.environ.get("PARTAGE_PICTURE") == "1":
        asyncio.run(draw_picture(chromium))
    assert PICTURE.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert PICTURE.stat().st_size < LARGEST_BYTES
