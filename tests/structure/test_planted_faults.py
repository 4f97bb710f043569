"""Each rule of structure finds a fault planted for it, and passes over the same thing done right.

A planted file stands for the whole repository, so that what a rule finds is the fault. Words, account numbers and statements
have planted faults in their own tests.
"""

from itertools import count

import pytest

from tests.support.districts import beside_the_districts, without_caption
from tests.support.ratchet import RULES
from tests.support.source import planted

NUMBERS = count()
"""Each planted file has a path of its own, for what was read of a path is cached."""
LONG_FUNCTION = "def long() -> None:\n" + "    pass\n" * 60
FUNCTIONS = """\
-- Deletes old ones.
CREATE OR REPLACE FUNCTION delete_planted() RETURNS void LANGUAGE sql AS $$
    DELETE FROM journal_entry
$$;

CREATE OR REPLACE FUNCTION delete_through_another() RETURNS void LANGUAGE sql AS $$
    SELECT delete_planted()
$$;

-- Deletes them for whom it concerns.
-- Packages above may call it.
CREATE OR REPLACE FUNCTION delete_for_others() RETURNS void LANGUAGE sql AS $$
    SELECT delete_planted()
$$;
"""


@pytest.mark.parametrize(
    ("rule", "path", "fault", "right", "sentence"),
    [
        pytest.param(
            "imports_upward",
            "marketplace/money/ledger/planted_{}.py",
            "from marketplace.sales.orders import tables",
            "from marketplace.people.identity import tables",
            "money/ledger imports marketplace.sales.orders.tables, which is not below it",
            id="an import upward",
        ),
        pytest.param(
            "imports_upward",
            "marketplace/core/facts/planted_{}.py",
            "def late():\n    import marketplace.site.app",
            "def late():\n    import marketplace.core.clock",
            "core/facts imports marketplace.site.app, which is not below it",
            id="an import upward inside a function",
        ),
        pytest.param(
            "imports_against_layers",
            "marketplace/money/ledger/planted_{}_rules.py",
            "from marketplace.money.ledger import actions",
            "from marketplace.money.ledger import chart",
            "reaches marketplace/money/ledger/actions.py, which is above it in the package",
            id="an import up the layers of a package",
        ),
        pytest.param(
            "impure_rules",
            "marketplace/money/ledger/planted_{}_rules.py",
            "from marketplace.core import clock",
            "from marketplace.core import errors",
            "imports marketplace.core.clock, and rules only decide",
            id="rules that read the clock",
        ),
        pytest.param(
            "impurities", "pricing/planted_{}.py", "open('a')", "max(1, 2)", "calls open", id="a file opened in pricing"
        ),
        pytest.param(
            "libraries_elsewhere",
            "marketplace/sales/orders/planted_{}.py",
            "import stripe",
            "import msgspec",
            r"imports stripe, which belongs in marketplace/(money/payments|demo/stripe_counterpart)/",
            id="Stripe beside payments",
        ),
        pytest.param(
            "foreign_sql",
            "marketplace/money/ledger/planted_{}.sql",
            "SELECT id FROM purchase_order;",
            "SELECT id FROM person;",
            "reads purchase_order of sales/orders, which is not below money/ledger",
            id="SQL that reads upward",
        ),
        pytest.param(
            "foreign_sql",
            "marketplace/sales/orders/planted_{}.py",
            "SQL = 'UPDATE journal_entry SET at = now()'",
            "SQL = 'SELECT at FROM journal_entry'",
            "writes journal_entry, which only money/ledger writes",
            id="SQL that writes another's table",
        ),
        pytest.param(
            "foreign_writes",
            "marketplace/finance/desk/planted_{}.py",
            "from marketplace.sales.orders.tables import Order\nOrder.update({})",
            "from marketplace.sales.orders.tables import Order\nOrder.select()",
            "writes Order, a table that only sales/orders writes",
            id="another's class",
        ),
        pytest.param(
            "foreign_writes",
            "marketplace/finance/desk/planted_{}.py",
            "from marketplace.sales.orders import tables as t\nt.Order.update({})",
            "from marketplace.sales.orders import tables as t\nt.Order.select()",
            "writes Order, a table that only sales/orders writes",
            id="another's class by its module",
        ),
        pytest.param(
            "foreign_writes",
            "marketplace/finance/desk/planted_{}.py",
            "import marketplace.sales.orders.tables\nmarketplace.sales.orders.tables.Order.delete()",
            "import marketplace.sales.orders.tables\nmarketplace.sales.orders.tables.Order.count()",
            "writes Order, a table that only sales/orders writes",
            id="another's class by its whole path",
        ),
        pytest.param(
            "foreign_writes",
            "marketplace/finance/desk/planted_{}.py",
            "from marketplace.sales.orders.tables import Order as Bought\nBought.update({})",
            "from marketplace.sales.orders.tables import Order as Bought\nBought.select()",
            "writes Bought, a table that only sales/orders writes",
            id="another's class by another name",
        ),
        pytest.param(
            "foreign_writes",
            "marketplace/finance/desk/planted_{}.py",
            "from marketplace.sales.orders import tables as t\nBought = t.Order\nBought.update({})",
            "from marketplace.sales.orders import tables as t\nBought = t.Order\nBought.select()",
            "writes Bought, a table that only sales/orders writes",
            id="another's class in a variable",
        ),
        pytest.param(
            "foreign_writes",
            "marketplace/finance/desk/planted_{}.py",
            "copy_in('purchase_order', [])",
            "copy_out('purchase_order', [])",
            "copies into purchase_order, which only sales/orders writes",
            id="COPY into another's table",
        ),
        pytest.param(
            "sql_in_pieces",
            "marketplace/finance/desk/planted_{}.py",
            "def change(verb):\n    return verb + 'purchase_order SET paid_at = now()'",
            "def change(which):\n    return 'SELECT ' + which",
            "puts a statement that writes together from pieces: computed_namepurchase_order SET",
            id="a verb from elsewhere",
        ),
        pytest.param(
            "sql_in_pieces",
            "marketplace/finance/desk/planted_{}.py",
            "PIECES = ['DELETE FROM ', 'purchase_order']",
            "PIECES = ['SELECT id FROM ', 'purchase_order']",
            "puts a statement that writes together from pieces: DELETE FROM",
            id="a table from elsewhere",
        ),
        pytest.param(
            "sql_in_pieces",
            "marketplace/finance/desk/planted_{}.py",
            "SQL = 'UPDATE {} SET paid_at = now()'.format('purchase_order')",
            "SQL = '{} is updated'.format('purchase_order')",
            "puts a statement that writes together from pieces: UPDATE {",
            id="a table filled in",
        ),
        pytest.param(
            "sql_in_pieces",
            "marketplace/finance/desk/planted_{}/functions.sql",
            "EXECUTE format('UPDATE %I SET paid_at = now()', name)",
            "EXECUTE format('SELECT FROM %I', name)",
            "puts a statement that writes together from pieces: UPDATE %",
            id="a table filled in by the database",
        ),
        pytest.param(
            "function_owners",
            "marketplace/finance/desk/planted_{}.py",
            "SQL = 'SELECT delete_planted()'",
            "SQL = 'SELECT delete_for_others()'",
            "calls delete_planted, which writes tables of money/planted",
            id="another's function that writes",
        ),
        pytest.param(
            "function_owners",
            "marketplace/finance/desk/planted_{}.sql",
            "SELECT delete_through_another();",
            "SELECT delete_for_others();",
            "calls delete_through_another, which writes tables of money/planted",
            id="another's function that writes through a second one",
        ),
        pytest.param(
            "function_owners",
            "marketplace/core/planted_{}.py",
            "SQL = 'SELECT delete_for_others()'",
            "SQL = 'SELECT now()'",
            "calls delete_for_others of money/planted, which is not below it",
            id="a function of above",
        ),
        pytest.param(
            "foreign_triggers",
            "marketplace/finance/desk/planted_{}/functions.sql",
            "CREATE OR REPLACE TRIGGER late AFTER INSERT OR UPDATE OF a ON posting FOR EACH ROW EXECUTE FUNCTION f();",
            "CREATE OR REPLACE TRIGGER late AFTER INSERT ON planted_table FOR EACH ROW EXECUTE FUNCTION f();",
            "puts the trigger late on posting, a table of money/ledger",
            id="a trigger on another's table",
        ),
        pytest.param(
            "undocumented",
            "marketplace/core/planted_{}.py",
            "def silent(): pass",
            '"""Says what it is."""',
            "the module has no docstring",
            id="no docstring",
        ),
        pytest.param(
            "long_files",
            "marketplace/core/planted_{}.py",
            "pass\n" * 501,
            "pass\n" * 500,
            "is line 501 of 501; split the file by subject",
            id="a file of 501 lines",
        ),
        pytest.param(
            "long_template_lines",
            "marketplace/core/web/templates/planted_{}.html",
            "<p>" + "é" * 198,
            "<p>" + "é" * 197 + "\n</p>",
            "has 201 characters; break it inside a tag, inside {{ }}, or between blocks",
            id="a line of a template of 201 characters",
        ),
        pytest.param(
            "long_functions",
            "marketplace/core/planted_{}.py",
            LONG_FUNCTION,
            LONG_FUNCTION.removesuffix("    pass\n"),
            "long is 61 lines long, and 60 fit a screen",
            id="a function of 61 lines",
        ),
    ],
)
def test_a_planted_fault_is_found(rule: str, path: str, fault: str, right: str, sentence: str) -> None:
    others = {"marketplace/money/planted/functions.sql": FUNCTIONS} if rule == "function_owners" else {}
    with planted({path.format(next(NUMBERS)): fault} | others):
        assert sentence in {one.sentence for one in RULES[rule]()}
    with planted({path.format(next(NUMBERS)): right} | others):
        assert not RULES[rule]()


def test_a_file_beside_the_districts_is_found() -> None:
    with planted(
        {"marketplace/planted.py": "", "marketplace/money/planted.py": "", "marketplace/planted_sales/a.py": ""}
    ):
        assert beside_the_districts() == ["planted.py", "planted_sales"]


def test_a_missing_caption_is_found() -> None:
    silent = "marketplace/money/planted_silent/__init__.py"
    with planted({silent: "", "marketplace/money/planted_said/__init__.py": '"""Says what it is."""'}):
        assert without_caption() == [silent]
