"""Shares reveal nothing of others: what anybody else sees is a function of published figures and of their own data.

The attack: a share that is exact beside its pool and its weight gives the release's exact total weight, and so whether
one more person is in it. Here two worlds differ in one contributor and publish the same cells, because noise made up the
difference: every page and file of everybody else must be the same to the byte. And an adversary who knows where everybody
was but one, and reads the pages of colluding subscribers, decides about that one no better than the promise allows.
"""

import datetime as dt
import math
import random
import re
import uuid
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from scipy import stats

from marketplace.core import clock, database
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.privacy import drawing
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from marketplace.subscribers.earnings.contribution_actions import index_contributions
from tests.attacks.builders import CHANCE, PUBLISHED, START, live_in
from tests.people.builders import visiting
from tests.privacy.specs import counts_of, specification
from tests.subscribers.builders import sales
from tests.subscribers.builders.sales import given_back
from tests.support.reads import fetch_value

VICTIM, PROMISED, OTHERS = 77, 5, (1, 2, 40)
TRIALS = 80
FALSE_ALARM = 1e-6
FOUND = 0.94
"""Who is right in a larger part of the trials is convicted."""
MOST_COLLUDING = 4


async def sell_thrice(*, victim: bool) -> dict[str, uuid.UUID]:
    """Sell one release three times: released, refunded in part, held. The victim was promised something too."""
    await sales.write_lines(range(1, 100))
    weights = {who: who % 6 + 1 for who in range(1, 60)} | ({VICTIM: 6} if victim else {})
    release = await sales.seal_weights(weights, published=PUBLISHED, started_at=START - 3 * sales.MONTH)
    await sales.promise_minimums({PROMISED: 3_000_000, VICTIM: 9_000_000}, START - sales.MONTH, START + sales.MONTH)
    sold = {
        name: await sales.write_sale(release, 10_001 + 37 * number, fee=318, sold_at=START)
        for number, name in enumerate(("released", "refunded", "held"))
    }
    await database.execute(
        "UPDATE licence SET hold_until = $1 WHERE id = $2", START + dt.timedelta(days=60), sold["held"]
    )
    await hold_shares()
    await given_back(sold["refunded"], 2_500)
    await cancel_shares()
    await hold_shares()
    with clock.shifted(dt.timedelta(days=20)):
        await sales.close_month()
    return sold | {"release": release}


async def everything_seen(sold: dict[str, uuid.UUID]) -> dict[str, bytes]:
    """Return every page and file that shows shares, as everybody but the victim, finance and the auditor sees it."""
    seen: dict[str, bytes] = {}
    licences = [sold[name] for name in ("released", "refunded", "held")]

    async def look(who: str, client: Any, paths: list[str]) -> None:
        for path in paths:
            answer = await client.get(path)
            seen[f"{who} {path}"] = b"%d " % answer.status_code + CHANCE.sub(rb"\1", answer.content)

    for who in (*OTHERS, PROMISED, 99):
        async with visiting(who) as subscriber:
            paths = ["/en/earnings", "/fr/earnings", "/en/earnings/payouts", "/en/earnings/statements/2026"]
            paths += ["/en/my-data", "/fr/my-data", "/en/earnings/rewards", "/en/calls"]
            paths += [f"/{language}/earnings/shares/{licence}" for licence in licences for language in ("en", "fr")]
            paths += ["/en/earnings/statements/2026/pdf"] if who in {PROMISED, 1} else []
            await look(f"subscriber {who}", subscriber, paths)
    async with visiting(partner=await fetch_value("SELECT id FROM partner WHERE company = 'Acme'")) as partner:
        paths = ["/en/orders", "/en/datasets/lyon", "/en/subscriptions", "/en/subscribe/lyon", "/en/requests"]
        paths += ["/en/sharing", "/en/searches", "/en/private-offers", "/en/notifications"]
        for licence in licences:
            order = await sales.order_of_licence(licence)
            paths += [f"/en/orders/{order}", f"/en/orders/{order}/statement", f"/fr/orders/{order}/statement"]
            paths += [f"/fr/orders/{order}/statement/pdf"]
        await look("partner", partner, paths)
    async with visiting() as stranger:
        paths = ["/en/datasets", "/en/datasets/lyon", "/en/log", "/api/v1/datasets/lyon", "/api/v1/datasets"]
        paths += ["/catalogue.jsonld", "/catalogue.ttl", "/en/compare?d=lyon"]
        await look("stranger", stranger, paths)
    return seen


@pytest.mark.long
def test_one_contributor_more_or_less_changes_nothing_that_others_see(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = []
    for name, victim in (("with_one", True), ("without_one", False)):
        chance = random.Random(11)  # noqa: S311 (ids of a test)
        monkeypatch.setattr(uuid, "uuid4", lambda chance=chance: uuid.UUID(int=chance.getrandbits(128), version=4))

        async def seen(*, victim: bool = victim) -> dict[str, bytes]:
            return await everything_seen(await sell_thrice(victim=victim))

        both.append(live_in(postgres, tmp_path, name, seen))
    with_one, without_one = both
    assert list(with_one) == list(without_one)
    assert sum(page.startswith(b"200 ") for page in with_one.values()) > 40
    different = [path for path, page in with_one.items() if page != without_one[path]]
    assert different == []
    # The promised person sees the promise kept to the millionth, not what the rounding of others left over.
    promised = [
        page.decode() for path, page in with_one.items() if f"subscriber {PROMISED} /en/earnings/shares" in path
    ]
    assert all("€3.000000" in page for page in promised)


def euros_on_page(text: str, at: str) -> int:
    """Return an amount of a page in micro-euros."""
    found = re.search(at, text)
    assert found, at
    whole, _, part = found[1].replace(",", "").partition(".")
    return int(whole) * 1_000_000 + int(part.ljust(6, "0"))


def denominators(page: str) -> tuple[int, int]:
    """Return the interval of what the pool was divided by, as a share page says it: pool * cells / share."""
    pool = euros_on_page(page, r"€([\d,.]+) 50% of the posted price")
    share = euros_on_page(page, r"Your share to the millionth €([\d,.]+)")
    cells = int(re.search(r"for (\d+) times? you are counted", page)[1])  # type: ignore[index]
    return pool * cells // (share + 1), -(-pool * cells // max(1, share - 1))


def plainly(answer: httpx.Response) -> str:
    """Return a page's text; what parses strictly is shown elsewhere, once, and takes most of the time of thousands."""
    return re.sub(r"[\s\u00a0\u202f]+", " ", re.sub(r"<[^>]+>", " ", answer.text))


@pytest.mark.deep
async def test_colluding_subscribers_decide_no_better_than_the_promise() -> None:
    """At ε = 1, of which people's counts have 0.76, one or four are right at most e^ε / (1 + e^ε) of the time.

    They know everybody's cells but the victim's. Where what their pages imply is the exact total of one of the two
    worlds and of that alone, they decide by it; otherwise by the likelihood of the published cells.
    """
    await sales.write_lines(range(1, 1000))
    epsilon, rng = 1.0, np.random.default_rng(5)
    s = specification(4, hours=6, bands=1, max_cells=6, epsilon_micro=1_000_000)
    people, cells = 400, s.key_count
    presence = rng.random((people, cells)).argsort(axis=1)[:, :6]
    truth = np.zeros((people + 1, cells), bool)
    np.put_along_axis(truth[:people], presence, values=True, axis=1)
    truth[people, :6] = True
    coins, drawn_of, licences = rng.random(TRIALS) < 0.5, [], []
    for trial, is_in in enumerate(coins):
        here = truth[: people + is_in]
        drawn = drawing.draw(s, counts_of(s, here.sum(axis=0)), trial.to_bytes(8, "big"))
        weights = here[:, drawn.counted].sum(axis=1)
        manifest = {who + 1: int(weight) for who, weight in enumerate(weights) if weight}
        published = int(drawn.published.people.sum())
        release = await sales.seal_weights(
            manifest, published=published, started_at=clock.now() - (trial + 2) * sales.MONTH
        )
        licences.append(await sales.write_sale(release, 100_000, fee=0))
        drawn_of.append(drawn)
    await hold_shares()
    await index_contributions()
    read: list[list[str]] = []
    for who in range(1, MOST_COLLUDING + 1):
        async with visiting(who) as subscriber:
            read.append([plainly(await subscriber.get(f"/en/earnings/shares/{licence}")) for licence in licences])
    ceiling = math.exp(epsilon) / (1 + math.exp(epsilon))
    most = int(stats.binom.isf(FALSE_ALARM, TRIALS, ceiling))
    assert most / TRIALS <= FOUND, "an adversary who is right more often is found"
    for colluding in (1, MOST_COLLUDING):
        right = 0
        for trial, (is_in, drawn) in enumerate(zip(coins, drawn_of, strict=True)):
            pages = [of_one[trial] for of_one in read[:colluding] if "You €" in of_one[trial]]
            right += colluders_decide(truth, drawn, s.law("people").scale, pages) == is_in
        assert right <= most, f"{colluding} colluding"


def colluders_decide(truth: np.ndarray, drawn: drawing.Drawn, scale: float, pages: list[str]) -> bool:
    """Return whether colluders take the last row of `truth` to be in what was drawn, by their pages and what was published."""
    others, victim = truth[:-1], truth[-1]
    without = int(others[:, drawn.counted].sum())
    totals = {False: without, True: without + int(victim[drawn.counted].sum())}
    intervals = [denominators(page) for page in pages]
    low, high = max(low for low, _ in intervals), min(high for _, high in intervals)
    exact = [is_in for is_in, total in totals.items() if low <= total <= high]
    if len(exact) == 1:
        return exact[0]
    known, more, people = others.sum(axis=0)[drawn.published.keys], victim[drawn.published.keys], drawn.published.people
    likelier = np.abs(people - known).sum() - np.abs(people - known - more).sum()
    return bool(likelier / scale > 0)
