"""Facts for the public log: stated with what makes them true or not at all, once each, never changed."""

import asyncpg
import pytest

from marketplace.core.database import transaction
from marketplace.core.facts.actions import state_fact
from tests.support.owner import as_owner
from tests.support.reads import list_facts


async def test_a_fact_is_stated_once_with_what_makes_it_true() -> None:
    with pytest.raises(AssertionError, match="in the transaction"):
        await state_fact("release_sealed", "r1", {"digest": "ab"})
    with pytest.raises(ZeroDivisionError):
        async with transaction():
            await state_fact("release_sealed", "r1", {"digest": "ab"})
            _ = 1 // 0
    assert await list_facts() == []
    for digest in ("ab", "cd"):
        async with transaction():
            await state_fact("release_sealed", "r1", {"digest": digest, "cells": 3})
    async with transaction():
        await state_fact("release_recalled", "r1", {})
    first, second = await list_facts()
    assert (first.kind, first.subject, first.statement) == ("release_sealed", "r1", '{"cells": 3, "digest": "ab"}')
    assert await list_facts(after=first.id) == [second]
    for change in ("UPDATE log_fact SET subject = ''", "DELETE FROM log_fact", "TRUNCATE log_fact CASCADE"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_owner(change)
