"""Who asked for what: one id a request or run of a job, in every line that is logged while it is answered.

The id is random and says nothing about a person. It is in the header `X-Request-Id` of the answer and in each problem,
so that who reports one can be helped.
"""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def request() -> Iterator[str]:
    """Give what is answered in the block an id, and put it into every line logged there."""
    made = secrets.token_hex(8)
    with structlog.contextvars.bound_contextvars(request=made):
        yield made


@contextlib.contextmanager
def job_run(job: str) -> Iterator[None]:
    """Put the job's name and an id of this run into every line logged in the block."""
    with structlog.contextvars.bound_contextvars(job=job, run=secrets.token_hex(8)):
        yield


def request_id() -> str:
    """Return the id of the request that is being answered; nothing outside of one."""
    return str(structlog.contextvars.get_contextvars().get("request", ""))
