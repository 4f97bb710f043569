"""Rules of structure that are not kept everywhere yet, and the ledger that lets their exceptions only shrink.

A rule is a function that returns findings. `check(rule)` fails with every finding of an area (a package, a package's tests)
that has more of them than `tests/not_yet.py` allows it, and where the ledger allows more than there are.
`python -m tests.ratchet` lowers the ledger and lists findings.
"""

from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

from tests.not_yet import NOT_YET
from tests.support.source import Finding

Rule: TypeAlias = Callable[[], list[Finding]]
RULES: dict[str, Rule] = {}


def rule(function: Rule) -> Rule:
    """Register a rule, so that the ledger's command knows it."""
    RULES[function.__name__] = function
    return function


def check(broken: Rule) -> None:
    """Fail when an area has more findings of a rule than the ledger allows, or fewer."""
    sentences = differences(sorted(broken()), NOT_YET.get(broken.__name__, {}), broken.__name__)
    assert not sentences, "\n".join(sentences)


def differences(findings: list[Finding], allowed: dict[str, int], name: str) -> list[str]:
    """Return a sentence for each finding of an area with too many, and for each entry of the ledger that is too high."""
    counts = Counter(finding.area for finding in findings)
    sentences = []
    for area in sorted(counts.keys() | allowed.keys()):
        may = allowed.get(area, 0)
        if counts[area] > may:
            sentences += [str(finding) for finding in findings if finding.area == area]
            sentences += [f"{area}: {counts[area]} findings of {name}, where {may} are allowed"] if may else []
        elif counts[area] < may:
            sentences.append(f"tests/not_yet.py allows {area} {may} findings of {name}; lower it to {counts[area]}")
    return sentences
