"""The ledger of rules not kept yet: `python -m tests.ratchet` writes today's counts into `tests/not_yet.py`.

It refuses when a rule's sum would grow, unless called with `moved`: a move can show what was hidden. `python -m tests.ratchet list RULE [PATH …]` lists a rule's findings.
"""

import sys
from collections import Counter
from importlib import import_module

import tests.personal_data
import tests.words_not_used  # noqa: F401 (its rules register)
from tests.not_yet import NOT_YET
from tests.support.ratchet import RULES
from tests.support.source import ROOT

for _module in sorted((ROOT / "tests" / "structure").glob("test_*.py")):
    import_module(f"tests.structure.{_module.stem}")  # its rules register


def rewrite(*, moved: bool = False) -> None:
    """Write today's counts into the ledger; refuse when a rule's sum would grow and nothing was moved."""
    lines = []
    for name, broken in sorted(RULES.items()):
        counts = Counter(finding.area for finding in broken())
        before = sum(NOT_YET.get(name, {}).values())
        if name in NOT_YET and counts.total() > before and not moved:
            sys.exit(f"{name} would grow from {before} to {counts.total()}: correct the new findings first.")
        print(f"{name}: {counts.total()}")
        lines += [f'    "{name}": {{', *(f'        "{area}": {counts[area]},' for area in sorted(counts)), "    },"]
    path = ROOT / "tests" / "not_yet.py"
    head = path.read_text().split("NOT_YET:", 1)[0]
    path.write_text(head + "NOT_YET: dict[str, dict[str, int]] = {\n" + "\n".join(lines) + "\n}\n")


def show_findings(name: str, paths: list[str]) -> None:
    """Print the findings of a rule below some paths, or all of them."""
    found = [finding for finding in sorted(RULES[name]()) if finding.path.startswith(tuple(paths) or "")]
    print("\n".join(map(str, found)))
    print(f"{len(found)} findings of {name}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["list"]:
        show_findings(sys.argv[2], sys.argv[3:])
    else:
        rewrite(moved=sys.argv[1:] == ["moved"])
