"""The demo's guided tours: closed elsewhere, one per kind of person, and every stop is a page of the site."""

import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from marketplace.core.settings import settings
from marketplace.demo.seed_datasets import DATASETS
from marketplace.demo.seed_people import PEOPLE
from marketplace.site.app import routes
from marketplace.site.tour.rules import TOURS
from tests.people.builders import Browser, make_partner, page_text

PAGES: Final = {path for handler in routes() if "GET" in handler.http_methods for path in handler.paths}
CODE: Final = re.compile(r"lyon-[\w-]+|grenoble-[\w-]+")


def is_page(path: str) -> bool:
    """Return whether the site answers GET at a path."""
    return any(re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", page), path) for page in PAGES)


def test_every_stop_is_a_page_and_every_person_one_of_the_demos() -> None:
    codes = {dataset.code for dataset in DATASETS}
    roles = {person.email: person.role for person in PEOPLE}
    for who, tour in TOURS.items():
        assert roles[tour.email] == who
        assert len({stop.path for stop in tour.stops}) == len(tour.stops) >= 5
        for stop in tour.stops:
            parts = urlsplit(stop.path)
            assert is_page(parts.path), stop.path
            named = {*CODE.findall(parts.path), *(value for _, value in parse_qsl(parts.query))}
            assert named <= codes, stop.path
            assert not stop.title.fields() | stop.text.fields()


async def test_tours_are_shown_in_the_demo_alone(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert database_url
    async with Browser() as visitor:
        for path in ("/demo/tour", "/demo/tour/partner"):
            assert (await visitor.get(f"/en{path}")).status_code == 404
        monkeypatch.setenv("PARTAGE_ONE_CLICK", "1")
        settings.cache_clear()
        offered = await visitor.get("/fr/demo/tour")
        assert re.search(r"9\sétapes", page_text(offered))
        for who, tour in TOURS.items():
            assert f'/fr/demo/tour/{who}"' in offered.text
            page = await visitor.get(f"/en/demo/tour/{who}")
            way = page.text.partition("<main")[2]
            shown = [way.index(f'href="/en{stop.path.replace("&", "&amp;")}"') for stop in tour.stops]
            assert shown == sorted(shown), "in order"
            assert f"/demo/sign-in/{tour.email}" in way
        assert (await visitor.get("/en/demo/tour/nobody")).status_code == 404
        await make_partner(email=TOURS["partner"].email)
        assert "/en/demo/tour" in (await visitor.get("/en/sign-in")).text
