"""The refusals of `pricing`: one small tree, so that a caller can map them to its own kinds in one table.

The rule this file keeps: a function that cannot give the right number raises one of these, with a sentence a person can
act on. A programmer's error (a wrong type) may still raise TypeError.

    PricingRefusal              the root; a ValueError
    ├── Empty                   nothing was given where at least one thing is needed
    ├── Negative                an amount, weight or count below zero
    ├── NotFinite               a NaN or an infinity
    ├── NotWhole                a fraction, a float or a boolean where a whole number is needed
    ├── TooLarge                a number beyond what the rules promise to treat exactly
    ├── OutOfRange              a number outside its stated interval
    ├── MixedCurrencies         amounts of two currencies in one sum or one auction
    ├── ZeroTotalWeight         nobody to pay: all weights are zero
    ├── Mismatched              two inputs that should describe the same thing do not
    ├── Duplicate               the same bidder, partner or name twice
    ├── NotEnoughAsks           a reverse auction with too few asks to set its price, and no reserve
    ├── NotFitted               a series or sample from which the asked parameter cannot be estimated
    ├── UnknownRule             a rule version or an auction kind this package does not know
    └── Tampered                a document that does not say what its own contents imply
"""


class PricingRefusal(ValueError):  # noqa: N818 - the trade says refusal, not error.
    """The input does not allow a right answer; the message says what to change."""


class Empty(PricingRefusal):
    """Nothing was given where at least one thing is needed."""


class Negative(PricingRefusal):
    """An amount, weight, age or count is below zero."""


class NotFinite(PricingRefusal):
    """A number is NaN or infinite."""


class NotWhole(PricingRefusal):
    """A whole number is needed; a fraction, a float or a boolean was given."""


class TooLarge(PricingRefusal):
    """A number is beyond what the rules promise to treat exactly."""


class OutOfRange(PricingRefusal):
    """A number is outside its stated interval."""


class MixedCurrencies(PricingRefusal):
    """Amounts of two currencies meet in one sum or one auction."""


class ZeroTotalWeight(PricingRefusal):
    """All weights are zero, so there is nobody to pay."""


class Mismatched(PricingRefusal):
    """Two inputs that should describe the same thing do not."""


class Duplicate(PricingRefusal):
    """The same bidder, partner or name is given twice."""


class NotEnoughAsks(PricingRefusal):
    """Too few asks to set a uniform price, and no reserve to set it instead."""


class NotFitted(PricingRefusal):
    """The parameter cannot be estimated from this series or sample."""


class UnknownRule(PricingRefusal):
    """A rule version or an auction kind that this package does not know."""


class Tampered(PricingRefusal):
    """A document does not say what its own contents imply."""
