"""The order of the districts, as the tests of structure see it: imports, foreign keys and SQL point down it.

Inside a district no order is written: its packages use each other without a circle.
"""

from marketplace.core.districts import DISTRICTS
from tests.support.source import product_files, text_of, tracked

_SITE = DISTRICTS.index("site")
FLOORS = ("pricing", *DISTRICTS[:_SITE], "migrations", *DISTRICTS[_SITE:], "__main__")
"""Lowest first. `migrations` reads every table below it; `site` asks which of them wait."""
FLOOR_OF = {name: floor for floor, name in enumerate(FLOORS)}
BESIDE = {"__init__.py", "__main__.py", "_bootstrap.py", "py.typed"}
"""What may lie beside the districts; `_bootstrap` runs before there are packages."""


def district_of(package: str) -> str:
    """Return the district of a package: `money` of `money/ledger`."""
    return package.partition("/")[0]


def floor_of(package: str) -> int | None:
    """Return the floor that a package is on; None for what is on none."""
    return FLOOR_OF.get(district_of(package))


def is_below(lower: str, upper: str) -> bool:
    """Return whether `upper` may use `lower`: it is of a lower district, or of the same."""
    one, other = floor_of(lower), floor_of(upper)
    return district_of(lower) == district_of(upper) or (one is not None and other is not None and one < other)


def beside_the_districts() -> list[str]:
    """Return what lies in the marketplace and is neither a district nor may lie beside them."""
    found = {path.split("/")[1] for path in tracked("*") if path.startswith("marketplace/")}
    return sorted(found - set(DISTRICTS) - BESIDE)


def without_caption() -> list[str]:
    """Return the districts and packages that do not say in a line what they are."""
    return [path for path in packages().values() if not text_of(path).startswith('"""')]


def packages() -> dict[str, str]:
    """Return the docstring's file of each district and package: `money/ledger` → `marketplace/money/ledger/__init__.py`."""
    inits = [path for path in product_files() if path.startswith("marketplace/") and path.endswith("/__init__.py")]
    return {
        path.removeprefix("marketplace/").removesuffix("/__init__.py"): path
        for path in inits
        if path.count("/") in {2, 3}
    }
