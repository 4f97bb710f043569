"""A site that sells before, while and after its schema changes; run from its version's own tree.

`python FILE` with the tree as working directory, `DATABASE_URL` and `PARTAGE_STATE`. It migrates, opens a shop with a
partner, asks for a quote and prints `quoted`; orders it after a line on its input and prints `ordered`; after another line
pays, receives and downloads it, buys once more from start to end, and prints `sold 2`. What it imports is in the tests of
every release.
"""

import asyncio
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

sys.path[0] = str(Path.cwd())  # what follows is that version's

from marketplace.core import database  # noqa: E402
from migrations.runner import migrate  # noqa: E402
from tests.catalogue.builders import make_vetted_partner, open_catalogue, seal_week  # noqa: E402
from tests.people.builders import PASSWORD  # noqa: E402
from tests.sales.builders.shop import jobs, pay  # noqa: E402
from tests.support.market import Visitor, running  # noqa: E402

EMAIL = "claire@atelier.example"
WORDS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what the site logs is no word of ours, and is read where the site fails


async def wait_for_line() -> None:
    """Wait for a line on the input."""
    await asyncio.to_thread(sys.stdin.readline)


def announce(words: str) -> None:
    """Print a line that is read at once."""
    print(words, file=WORDS, flush=True)


async def ask_quote(partner: Visitor, release: object) -> tuple[str, dict[str, str]]:
    """Ask for a quote on the dataset's page, and return the form that orders it."""
    page = await partner.see(f"/datasets/lyon?release={release}")
    quoted = await partner.resend(partner.form(page, "/datasets/lyon/quotes"))
    action, hidden = partner.form(quoted.text, "/orders")
    return action, hidden | {"street": "1 rue Longue", "city": "Lyon", "reason": "x"}  # as this version asks


async def order_quote(partner: Visitor, form: tuple[str, dict[str, str]]) -> str:
    """Order, and return the address at Stripe that the browser is sent to."""
    partner.http.follow_redirects = False
    sent = await partner.resend(form, status=303)
    partner.http.follow_redirects = True
    return sent.headers["location"]


async def receive(partner: Visitor, stripe_page: str) -> None:
    """Pay at Stripe, come back, let the jobs work, and download the file."""
    returned = (await pay(stripe_page)).headers["location"]
    await partner.http.get(returned)
    await jobs()
    page = (await partner.http.get(urlsplit(returned).path)).text
    link = re.search(r"/en/entitlements/[0-9a-f-]+/download\?format=parquet", page)
    assert link, page[-3000:]
    file = await partner.http.get(link[0])
    assert file.status_code == 200, file.text
    assert file.content[:4] == b"PAR1"


async def main() -> None:
    await database.open_pool(os.environ["DATABASE_URL"])
    await migrate()
    await open_catalogue()
    release = await seal_week()
    await make_vetted_partner(EMAIL)
    async with running() as market:
        partner = market.visitor()
        await partner.submit("/sign-in", "/sign-in", email=EMAIL, password=PASSWORD)
        form = await ask_quote(partner, release)
        announce("quoted")
        await wait_for_line()
        stripe_page = await order_quote(partner, form)
        announce("ordered")
        await wait_for_line()
        await receive(partner, stripe_page)
        await receive(partner, await order_quote(partner, await ask_quote(partner, release)))
        announce("sold 2")
    await database.close_pool()


asyncio.run(main())
