"""The pages that an auditor may read are reached by links, from the finance page on."""

import re

from marketplace.finance.desk.decision_pages import MOVED
from tests.people.builders import browser_of, make_staff
from tests.support.routes import (
    OUR_ROUTES,
    expectation_of,
)


async def test_the_auditor_reaches_every_page_they_may_read() -> None:
    paul = await make_staff("Paul", "auditor")
    wanted = {
        f"/en{path}"
        for handler, path in OUR_ROUTES
        if "auditor" in expectation_of(handler).who and "GET" in handler.http_methods and "{" not in path
    }
    async with await browser_of(paul.person) as auditor:
        reached, ahead = set(), {"/en/finance"}
        while ahead:
            path = ahead.pop()
            reached.add(path)
            shown = await auditor.get(path)
            if "text/html" in shown.headers.get("content-type", ""):
                ahead |= {link.partition("?")[0] for link in re.findall(r'href="(/en/[^"#]+)"', shown.text)} & wanted
                ahead -= reached
    # They are reached from an exception, from a document that travels, from revenue, from a bad debt, and by a number that
    # is typed or in the log.
    numbered = {
        "/en/finance/einvoicing.csv",
        "/en/finance/exception",
        "/en/finance/exceptions.csv",
        "/en/finance/business/behind",
        "/en/finance/business/behind.csv",
        "/en/finance/duplicate",
        "/en/transparency/books",
        "/en/transparency/trail",
    }
    assert wanted - reached <= numbered | {f"/en{path}" for path in MOVED}, (
        "what moved is reached by who kept its address"
    )
