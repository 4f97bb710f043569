"""Who sign in at once delay no page: hashing a password gives way to everything else; `bench sign_ins` measures it."""

import asyncio
import os
import sys

from marketplace.people.identity import passwords


def test_passwords_are_hashed_in_few_threads_that_give_way() -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, 0)

    mine = priority()
    assert asyncio.run(hashing(priority)) == (mine + passwords.LOW_PRIORITY if sys.platform == "linux" else mine)
    assert passwords._threads._max_workers <= max(1, (os.cpu_count() or 1) // 2)


async def hashing(work: object) -> object:
    return await asyncio.get_running_loop().run_in_executor(passwords._threads, work)  # type: ignore[arg-type]
