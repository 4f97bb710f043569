"""Every scheduled job, by district. Jobs pull their due work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.catalogue import jobs as catalogue_jobs
from marketplace.datasets import jobs as datasets_jobs
from marketplace.delivery import jobs as delivery_jobs
from marketplace.finance import jobs as finance_jobs
from marketplace.money import jobs as money_jobs
from marketplace.oversight import jobs as oversight_jobs
from marketplace.people import jobs as people_jobs
from marketplace.sales import jobs as sales_jobs
from marketplace.site.jobs import own as site_jobs
from marketplace.subscribers import jobs as subscribers_jobs

if TYPE_CHECKING:
    from marketplace.core.scheduled import Jobs

DISTRICTS: Final = (
    people_jobs,
    money_jobs,
    datasets_jobs,
    catalogue_jobs,
    sales_jobs,
    delivery_jobs,
    subscribers_jobs,
    finance_jobs,
    oversight_jobs,
    site_jobs,
)


def jobs() -> Jobs:
    """Return every job: its name, its interval in seconds, its function."""
    return {name: job for district in DISTRICTS for name, job in district.jobs().items()}
