"""The mathematics of the marketplace: what data is worth and costs, who wins an auction and what each person earns.

The rule this package keeps: pure functions over frozen values. No I/O (save `python -m pricing replay`), no clock, no
threads, no randomness without a generator passed in, and no float in an amount of money. Bad input is a named refusal
from `pricing.refusals`, never a wrong number.

Where to start reading: `money` (exact integers), `valuation` (what a release is worth), `quote` (its price, explained),
`editions` (several accuracies of one release), `demand` (learning from answers), `auctions` (selling by bids) and
`public_shares` (paying the people in the data).

What the marketplace and `python -m pricing` do not use is public API for others, which each module's docstring lists;
`tests/structure/test_facts.py` compares. References for small cases, which try everything, are `tests/pricing/oracles.py`.
"""
