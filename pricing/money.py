"""Money as exact integers, and the exact division of an integer pool.

The rule this file keeps: an amount is a whole number of minor units (cents, micro-euros) with its currency, and the
parts of a division sum to the amount.

Source: largest remainder (Hamilton's method): M. Balinski and H. P. Young, Fair Representation, 2nd ed. 2001, ch. 3.
A larger pool may lower one share (the Alabama paradox, ibid. ch. 5), so nobody may rely on shares growing with a pool.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from pricing.refusals import Empty, Mismatched, MixedCurrencies, Negative, NotWhole, TooLarge, ZeroTotalWeight

EUR: Final = "EUR"
"""The one currency of this marketplace; `pricing` itself computes in any."""
MINOR_LIMIT: Final = 10**18
"""Amounts are below this in absolute value, so that the sum of nine fits BIGINT."""

SAFE_INTEGER: Final = 2**53 - 1
"""The largest number canonical JSON writes exactly (RFC 8785 section 3.2.2.3, RFC 7493 section 2.2)."""

_CURRENCY = re.compile(r"[A-Z]{3}")


def whole(value: object, what: str) -> int:
    """Return `value` if it is an int; refuses booleans, floats and all else as NotWhole, naming it `what`."""
    if type(value) is not int and (isinstance(value, bool) or not isinstance(value, int)):
        msg = f"{what} must be a whole number, not {value!r}"
        raise NotWhole(msg)
    return value


def amount(value: object, what: str) -> int:
    """Return `value` if it is a whole number in [0, MINOR_LIMIT); refuses NotWhole, Negative, TooLarge."""
    number = whole(value, what)
    if number < 0:
        msg = f"{what} must not be negative, but is {number}"
        raise Negative(msg)
    if number >= MINOR_LIMIT:
        msg = f"{what} must be below {MINOR_LIMIT}, but is {number}"
        raise TooLarge(msg)
    return number


def safe_integer(value: object, what: str) -> int:
    """Return `value` if it is whole and in [0, 2**53); refuses NotWhole, Negative, TooLarge."""
    number = whole(value, what)
    if number < 0:
        msg = f"{what} must not be negative, but is {number}"
        raise Negative(msg)
    if number > SAFE_INTEGER:
        msg = f"{what} must be at most {SAFE_INTEGER}, but is {number}"
        raise TooLarge(msg)
    return number


def currency_code(value: object) -> str:
    """Return `value` if it looks like an ISO 4217 code (three capital letters); refuses Mismatched otherwise."""
    if value != EUR and (not isinstance(value, str) or not _CURRENCY.fullmatch(value)):
        msg = f"a currency is three capital letters, not {value!r}"
        raise Mismatched(msg)
    return value


def decimal(minor: int) -> str:
    """Write whole cents with a point and two decimals, for machines: -123456 → -1234.56."""
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02d}"


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in one currency: `minor` smallest units, in (-MINOR_LIMIT, MINOR_LIMIT).

    Two amounts meet only in the same currency: `+`, `-`, `<` and their kin refuse MixedCurrencies.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse NotWhole, TooLarge and a malformed currency."""
        if type(self.minor) is not int or not -MINOR_LIMIT < self.minor < MINOR_LIMIT:  # a shortcut for usual amounts
            amount(abs(whole(self.minor, "an amount")), "an amount")
        currency_code(self.currency)

    def __add__(self, other: Self) -> "Money":
        """Return the sum; refuses MixedCurrencies and a sum that is TooLarge."""
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Self) -> "Money":
        """Return the difference, which may be below zero; refuses as `+` does."""
        return Money(self.minor - self._same(other), self.currency)

    def __lt__(self, other: Self) -> bool:
        """Compare within one currency."""
        return self.minor < self._same(other)

    def __le__(self, other: Self) -> bool:
        """Compare within one currency."""
        return self.minor <= self._same(other)

    def __gt__(self, other: Self) -> bool:
        """Compare within one currency."""
        return self.minor > self._same(other)

    def __ge__(self, other: Self) -> bool:
        """Compare within one currency."""
        return self.minor >= self._same(other)

    def split(self, weights: Sequence[int]) -> "list[Money]":
        """Return one amount per weight, summing exactly to this one, by largest remainder with ties by position.

        Refuses Negative amounts, and what `largest_remainder` refuses.
        """
        return [Money(share, self.currency) for share in largest_remainder(self.minor, weights)]

    def _same(self, other: "Money") -> int:
        if self.currency != other.currency:
            msg = f"{self.currency} and {other.currency} do not add up without an exchange rate"
            raise MixedCurrencies(msg)
        return other.minor


def largest_remainder(pool: int, weights: Sequence[int]) -> list[int]:
    """Divide `pool` among `weights` in whole units: quotas rounded down, and one more for the largest remainders.

    pool: whole units, >= 0, of any size. weights: n >= 1 whole numbers >= 0 of any size, with sum > 0. The n shares sum
    to pool, each within one unit of pool * weight / sum. Equal remainders are served by position, first come first. A
    zero weight earns zero, since its remainder is zero and fewer units are left over than there are positive
    remainders. Refuses NotWhole, Negative, Empty and ZeroTotalWeight.
    """
    if whole(pool, "the pool") < 0:
        msg = f"a pool to divide must not be negative, but is {pool}"
        raise Negative(msg)
    if not weights:
        msg = "there is nobody to divide the pool among"
        raise Empty(msg)
    if any(whole(weight, "a weight") < 0 for weight in weights):
        msg = "weights must not be negative"
        raise Negative(msg)
    total = sum(weights)
    if total == 0:
        msg = "all weights are zero, so the pool would go to nobody"
        raise ZeroTotalWeight(msg)
    quotas = [divmod(pool * weight, total) for weight in weights]
    shares = [share for share, _ in quotas]
    left_over = pool - sum(shares)
    # sorted() is stable, so equal remainders stay in the order of their positions.
    for position in sorted(range(len(quotas)), key=lambda at: -quotas[at][1])[:left_over]:
        shares[position] += 1
    return shares
