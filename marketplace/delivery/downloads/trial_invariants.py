"""What must always be true of trials."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.delivery.downloads.trial_queries import SQL

TRIALS: Final = (Invariant("a trial is of a release that was two half-lives old", SQL["list_too_young"]),)
