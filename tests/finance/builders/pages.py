"""The pages of finance as clerks use them: who is signed in, forms, files."""

import csv
import io
import re

import httpx

from marketplace.core import clock
from marketplace.core.web.formats import paris_day
from marketplace.people.identity.guards import begin_session
from tests.finance.builders import sales
from tests.people.builders import add_person
from tests.support.sites import the_site


async def submit_to_bank(visitor: httpx.AsyncClient, path: str, *, file: bytes = b"", **fields: str) -> httpx.Response:
    token = re.search(r'name="_csrf_token" value="([^"]*)"', (await visitor.get("/en/finance/bank")).text)
    assert token
    files = {"file": ("statement", file)} if file else None
    return await visitor.post(path, data={"_csrf_token": token[1], **fields}, files=files)


YEAR = paris_day(clock.now()).year


async def ask_export(visitor: httpx.AsyncClient, **fields: str) -> httpx.Response:
    """Fill the page's form and send it."""
    html = (await visitor.get("/en/finance/exports")).text
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', html.partition('class="form"')[2]))
    asked = {"format": "fec", "first_day": f"{YEAR}-01-01", "last_day": f"{YEAR}-12-31"} | fields
    return await visitor.post("/en/finance/exports", data=hidden | asked)


async def signed_in(role: str | None) -> httpx.AsyncClient:
    """Return a visitor: staff of that role, a partner's person, or nobody."""
    visitor = httpx.AsyncClient(
        transport=httpx.ASGITransport(the_site()), base_url="http://site.example", follow_redirects=False
    )
    if role is not None:
        partner = sales.PARTNER if role == "partner" else None
        cookie = await begin_session(await add_person(role, role=None if partner else role, partner=partner))
        visitor.cookies.set(cookie.key, str(cookie.value))
    return visitor


def form(html: str, action: str) -> dict[str, str]:
    """Return the hidden fields of the form that posts there."""
    inside = html.split(f'action="{action}"', 1)[1].split("</form>", 1)[0]
    return {
        re.search(r'name="([^"]*)"', field)[1]: re.search(r'value="([^"]*)"', field)[1]  # type: ignore[index]
        for field in re.findall(r"<input[^>]*type=\"hidden\"[^>]*>", inside)
    }


async def rows_of_csv(visitor: httpx.AsyncClient, path: str) -> list[list[str]]:
    """Return the rows of a file, without its headings."""
    answer = await visitor.get(path)
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))[1:]


async def column_of_csv(visitor: httpx.AsyncClient, path: str, at: int = 0) -> list[str]:
    return [row[at] for row in await rows_of_csv(visitor, path)]
