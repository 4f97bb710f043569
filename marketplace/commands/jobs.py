"""`jobs`: The scheduled jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, begin, rehearsal_argument, with_pool

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Run the scheduled jobs; any number of workers may."""
    from marketplace.backup.unfinished import refuse_unfinished
    from marketplace.jobs.scheduler import work_until_stopped
    from marketplace.sandbox.actions import check_database
    from marketplace.setting_checks import refuse_role
    from marketplace.settings import settings

    begin(arguments)
    refuse_role(settings(), serving=False)

    async def story() -> int:
        await check_database()
        await refuse_unfinished()
        await work_until_stopped()
        return 0

    return with_pool(story)


COMMAND = Command("jobs", run, rehearsal_argument)
