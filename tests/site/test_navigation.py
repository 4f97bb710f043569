"""The navigation: what it leads each kind of visitor to answers them, and shows where they are."""

import re

import pytest

from marketplace.core.web.navigation import GROUPS, current_link
from tests.people.builders import Browser, browser_of, make_staff

LINK = re.compile(r'<a href="/en(/[^"?]*)"(?: aria-current="(page|true)")?>')


def links_of(page: str) -> dict[str, str]:
    """Return the paths of a page's main navigation, each with whether the page is it (page), below it (true) or neither."""
    navigation = page.partition('<nav class="main-links"')[2].partition("</nav>")[0]
    return dict(LINK.findall(navigation))


@pytest.mark.parametrize("role", ["steward", "finance", "auditor"])
async def test_what_staff_are_led_to_answers_and_says_where_it_is(role: str) -> None:
    person = await make_staff(role.title(), role)
    async with await browser_of(person.person) as browser:
        paths = links_of((await browser.get("/en/catalogue")).text)
        assert paths.keys() - {"/catalogue", "/auctions"} == {
            path for _, links in GROUPS for path, _, roles in links if role in roles
        }
        for path in paths:
            answer = await browser.get(f"/en{path}")
            assert answer.status_code == 200, path
            assert links_of(answer.text)[path] == "page"


async def test_a_stranger_is_led_to_what_is_for_sale() -> None:
    async with Browser() as browser:
        for path in links_of((await browser.get("/en/")).text):
            assert links_of((await browser.get(f"/en{path}")).text)[path] == "page"


def test_a_page_belongs_to_the_nearest_link_above_it() -> None:
    groups = [(None, [(path, name) for _, links in GROUPS for path, name, _ in links])]
    for path, link in (
        ("/finance/orders/1", "/finance/orders"),
        ("/finance/invoices/1", "/finance"),
        ("/finance/years", "/finance/periods"),
        ("/finance/orders-of-nobody", "/finance"),
        ("/profile", ""),
    ):
        assert current_link(groups, path) == link
