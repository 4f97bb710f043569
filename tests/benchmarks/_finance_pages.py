"""Every page that finance reads, opened one after the other over the books that are loaded; files are not pages."""

import statistics
import time
from collections.abc import Mapping
from typing import Any

from marketplace.core.database import execute
from marketplace.finance.bookkeeping.business_actions import sum_revenue
from marketplace.finance.einvoicing.months import sum_many_months
from marketplace.finance.reconciliation.kept_findings import refresh_large_books
from marketplace.site.app import routes
from tests.benchmarks._bench import Run, remark
from tests.finance.builders.pages import signed_in

READINGS, MOST_MS = 5, 50
OPENINGS = ("/finance", "/staff/claims")
NOT_ALONE, LEAST_PAGES = {303, 308, 400, 404, 422}, 30
"""What a page answers that opens about something alone, or leads on to another; and how many pages there are at least."""
NARROWED = (
    "/finance/journal?account=411000",
    "/finance/journal?kind=sale",
    "/finance/journal?sort=debit&since=2025-03-01&until=2025-03-31",
    "/finance/journal?sort=oldest",
    "/finance/journal?since=2025-03-01&until=2025-03-31",
    "/finance/trial-balance?at=2025-06-30",
    "/finance/business?by=partner",
    "/finance/orders?which=paid",
    "/finance/orders?which=paid&sort=total",
    "/finance/orders?sort=total",
    "/finance/orders?sort=company",
    "/finance/orders?sort=state",
    "/finance/orders?sort=number",
    "/finance/orders?number=1234",
    "/finance/orders?number=P-2026-0012",
    "/finance/orders?number=P-2026-0&sort=total",
    "/finance/einvoicing?sort=partner",
    "/finance/einvoicing?sort=amount",
    "/finance/einvoicing?sort=state",
    "/finance/einvoicing?sort=oldest",
    "/finance/einvoicing?show=rejected",
    "/finance/einvoicing?show=deposited&sort=amount",
    "/find?text=F-2026-000001",
    "/find?text=1234",
)
"""Pages as people narrow and sort them."""
OF_ONE = {
    "partner": ("/finance/business/behind?by=partner&key={}", "/finance/business/behind?by=partner&key={}&sort=oldest"),
    "code": ("/finance/journal?account={}&sort=oldest",),
}
"""Pages that are narrowed to one partner, or one account, which most entries are about."""


def paths_of(subjects: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the addresses of finance's pages, and those that name a subject which is none of `subjects`, by parameter."""
    found, without = list(NARROWED), list[str]()
    found += [path.format(subjects[name]) for name, paths in OF_ONE.items() if name in subjects for path in paths]
    for handler in routes():
        for path in handler.paths:
            last = path.rsplit("/", 1)[-1]
            is_page = "GET" in handler.http_methods and path.startswith(OPENINGS) and "." not in last
            if not is_page or last in {"download", "ubl"}:
                continue
            parts = path.split("/")
            names = [part.strip("{}").split(":")[0] if part.startswith("{") else "" for part in parts]
            if all(not name or name in subjects for name in names):
                filled = [str(subjects[name]) if name else part for part, name in zip(parts, names, strict=True)]
                found.append("/".join(filled))
            else:
                without.append(path)
    return sorted(found), sorted(without)


async def read_pages(run: Run, subjects: Mapping[str, Any], size: str) -> None:
    """Open each page as a clerk some times, and print the slowest by the middle of its times; each has MOST_MS.

    A page that only opens about something in its query, or of which nothing is loaded, is not opened. Stops at any other
    that does not answer 200.
    """
    await sum_many_months()
    await sum_revenue()  # as the jobs do every few minutes
    await refresh_large_books()
    await execute("VACUUM ANALYZE")  # as autovacuum does within minutes of so many rows
    found, without = paths_of(subjects)
    middles: dict[str, float] = {}
    async with await signed_in("finance") as clerk:
        for path in found:
            readings = []
            for _ in range(1 if run.is_smallest else READINGS):
                start = time.perf_counter()
                answer = await clerk.get(f"/en{path}")
                readings.append((time.perf_counter() - start) * 1000)
            if answer.status_code in NOT_ALONE:
                without.append(path)
                continue
            assert answer.status_code == 200, (path, answer.status_code)
            middles[path] = statistics.median(readings)
    assert len(middles) >= LEAST_PAGES, without
    slowest, *others = sorted(middles, key=lambda path: -middles[path])
    run.figure(
        "page", f"{middles[slowest]:.1f}", f"ms, the slowest of {len(middles)} pages of finance over {size}: {slowest}"
    )
    for path in others[:5]:
        remark(f"{middles[path]:.1f} ms {path}")
    remark(f"not opened, for nothing that is loaded is theirs: {', '.join(without) or 'none'}")
    run.require(middles[slowest] <= MOST_MS, f"A page of finance has {MOST_MS} ms.")
