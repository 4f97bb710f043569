"""`jobs`: The scheduled jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, begin, refuse_unready, rehearsal_argument, with_pool

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Run the scheduled jobs; any number of workers may."""
    from marketplace.core.setting_checks import refuse_role
    from marketplace.core.settings import settings
    from marketplace.site.jobs.scheduler import work_until_stopped

    begin(arguments)
    refuse_role(settings(), serving=False)

    is_embedded = not settings().database_url

    async def story() -> int:
        await refuse_unready(is_embedded=is_embedded)
        await work_until_stopped()
        return 0

    return with_pool(story)


COMMAND = Command("jobs", run, rehearsal_argument)
