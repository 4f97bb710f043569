"""The audit of a menu: whether anything on it can be had for less by buying other things on it.

The rule this file keeps: nothing is listed that `Audit` finds a way round. A menu has arbitrage when some offer can be
had for less by buying others: two noisy releases averaged, the parts of a bundle, the days of a month, the zones of a
country, the months of a year.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pricing.covering import Cover, Moments, Piece, Source, is_proven, least_by_moment, reaches
from pricing.money import amount
from pricing.refusals import Duplicate, Empty, OutOfRange, TooHard

_ROWS: Final = 512
"""So many offers are compared with all others at once, for memory."""


class Part(NamedTuple):
    """What an offer holds of one part, a zone and period or anything else that has a name.

    variance: of the noise on each cell, >= 0, in any unit that is the same for all offers; 0 is exact. worth: >= 1, what
    it is worth beside the offer's other parts; it decides how much is proven without a search, never the answer.
    """

    variance: int
    worth: int = 1
    across: int | None = None
    """The variance as offers of other products compare it, where that is another measure; None: it is the same."""
    at_best: int | None = None
    """The least that `across` may be where it is not known, as they count it in a combination; None: it is known."""

    @property
    def compared(self) -> int:
        """Return what other products compare it by."""
        return self.variance if self.across is None else self.across

    @property
    def least(self) -> int:
        """Return what that is at best."""
        return self.compared if self.at_best is None else self.at_best


class Limits(NamedTuple):
    """What an offer is limited to, each empty where it is to nothing: what it is used for, and who may buy it."""

    purposes: frozenset[str] = frozenset()
    sectors: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()

    def meet(self, others: "Limits") -> bool:
        """Return whether somebody may buy both for the same use."""
        return all(not one or not other or one & other for one, other in zip(self, others, strict=True))


UNLIMITED: Final = Limits()


@dataclass(frozen=True, slots=True)
class Offer:
    """What is or would be listed: `parts`, for a price.

    Offers of one `family` are nested: of several that hold a part, the most precise counts. Offers of different families
    are independent: precisions add up. fresh_noise: each purchase draws again, so one can buy it several times and
    average; needs a positive price. right: the rank of what may be done with it, >= 0; what has a lower one never replaces
    an offer. months: the term, >= 0; 0 is without end. What ends before an offer does replaces it together with what
    follows. fading: what a month of its term is worth beside the one before, in (0, 1]; as a part's worth, it decides how
    much is proven without a search, never the answer. product: offers of one have the same cells left out, where it is not
    known which. limits: what nobody may buy for the same use never replaces an offer.
    """

    name: str
    price_minor: int
    parts: Mapping[str, Part]
    family: str
    fresh_noise: bool = False
    right: int = 0
    months: int = 0
    fading: float = 1.0
    product: str = ""
    limits: Limits = UNLIMITED


@dataclass(frozen=True, slots=True)
class Arbitrage:
    """A cheaper way to an offer: buying `basket` (names, repeated when bought again) for cost_minor gives as much.

    starts: in how many months each is bought.
    """

    target: str
    basket: tuple[str, ...]
    cost_minor: int
    starts: tuple[int, ...] = ()


def find_arbitrage(offers: Sequence[Offer], *, tolerances: Sequence[Fraction] = (Fraction(0),)) -> Arbitrage | None:
    """Return the cheapest combination that costs less than an offer it replaces, or None when there is none.

    A combination replaces an offer when on each of its parts it is at least as precise, and its rights and terms
    include the offer's. Refuses as `Audit` and its `find` do.
    """
    return Audit(offers).find(np.array([offer.price_minor for offer in offers], float).reshape(-1, 1), tolerances)


class Holdings(NamedTuple):
    """What is held of p parts, rows × p each, as a `Part` has it: infinite and worth nothing where it is lacking.

    rows: of each offer, the number of its row.
    """

    variances: NDArray[np.float64]
    worths: NDArray[np.float64]
    across: NDArray[np.float64]
    least: NDArray[np.float64]
    rows: NDArray[np.int64]


class _Unproven(NamedTuple):
    """An offer that is not proven to be without a cheaper cover: the numbers of those that could be in one, and the search of it.

    price_minor: the offer's, by the tolerance less.
    """

    number: int
    price_minor: int
    useful: list[int]
    cover: Cover


@dataclass(slots=True)
class Limit:
    """What a cover costs that is known, in minor units: only cheaper ones are looked for."""

    minor: float = np.inf


class _Term(NamedTuple):
    """The moments of a term; the least price by moment of what n offers sell within it, n × moments; the least of each; and all."""

    moments: Moments
    by_moment: NDArray[np.float64]
    least: NDArray[np.float64]
    prices: NDArray[np.float64]


class Audit:
    """The audit of n offers, at any prices: whether a combination costs less than an offer that it replaces.

    A combination replaces an offer when at each moment of the offer's term it is at least as precise on each of its
    parts, by what gives its rights. The audit is complete: None is a proof. Where every part of an offer costs no less
    elsewhere than its share of the price (the dual of the covering problem), that is the proof, for all offers at once;
    only what it leaves open is searched.
    Nested editions of one release need no more than prices that never rise with noise (Blackwell's order: the coarser
    is the finer and noise), so a coarser one counts for nothing towards a finer while no independent release is there
    to average it with.
    Prices are arrays, n × (1 + starts): of now, and of each of the starts; infinite where an offer is not sold then.
    tolerances: each in [0, 1); at a tolerance of 1/10 what is as precise but for a tenth must cost less by more than a
    tenth, so that a cheap offer is found though its figures are a shade worse. Prices whose fall is never steeper than
    precision's, as those of `pricing.quote`, pass at every tolerance.
    Source: V. Chvátal, A greedy heuristic for the set-covering problem, 1979 (the dual); D. Blackwell, Comparison of
    experiments, 1951.
    """

    def __init__(self, offers: Sequence[Offer], starts: Sequence[int] = (), holdings: Holdings | None = None) -> None:
        """Check them. starts: in how many months, each > 0, ascending, they may be bought besides now, so that licences follow.

        holdings: what they hold, where that is not their parts.
        Refuses Duplicate names, Empty parts, OutOfRange for a free offer with fresh noise, NotWhole, Negative, TooLarge.
        """
        _check_offers(offers)
        self.offers, self.holdings = offers, holdings or _holdings(offers)
        self.products = np.array([offer.product for offer in offers])
        self.rights, months = (
            np.array([getattr(offer, name) for offer in offers], float) for name in ("right", "months")
        )
        limits = list(dict.fromkeys(offer.limits for offer in offers))
        self.limits = np.array([limits.index(offer.limits) for offer in offers])
        self.meeting = np.array([[one.meet(other) for other in limits] for one in limits])
        months[months == 0] = np.inf
        self.months, self.starts = months, np.array([0, *starts], float)
        self.bounds = np.unique([*self.starts, *(self.starts[:, None] + np.unique(months)).ravel()])
        self.there = np.isfinite(self.holdings.variances).astype(np.float32)
        names = {offer.family: at for at, offer in enumerate(offers)}
        families = [-1 - at if offer.fresh_noise else names[offer.family] for at, offer in enumerate(offers)]
        self.family = np.array(families)

    def find(
        self,
        prices: NDArray[np.float64],
        tolerances: Sequence[Fraction] = (Fraction(0),),
        targets: Sequence[int] | None = None,
        counted: Callable[[Arbitrage], Arbitrage | None] = lambda found: found,
    ) -> Arbitrage | None:
        """Return the cheapest combination that costs less than an offer it replaces, or None when there is none.

        prices: whole, in minor units. targets: numbers of the offers that are looked at; None: all. counted: returns what is
        found at what it costs, None where it is not to count; it then keeps no dearer one from being found.
        Refuses TooHard rather than answer None where a search takes too long.
        """
        cheapest: Arbitrage | None = None
        limit = Limit()
        targets = range(len(self.offers)) if targets is None else targets
        order = sorted(targets, key=lambda at: (prices[at, 0], self.offers[at].name))
        for one in self.unproven(prices, prices[:, 0], tolerances, order, limit):
            try:
                found = one.cover.cheapest(min(one.price_minor, limit.minor))
            except TooHard:
                if cheapest is None:
                    raise
                break
            if found:
                bought = sorted((piece.start, self.offers[one.useful[piece.offer]].name) for piece in found)
                names, since = tuple(name for _, name in bought), tuple(start for start, _ in bought)
                cost = int(sum(piece.price for piece in found))
                if way := counted(Arbitrage(self.offers[one.number].name, names, cost, since)):
                    cheapest, limit.minor = way, cost
        return cheapest

    def unproven(
        self,
        prices: NDArray[np.float64],
        dear: NDArray[np.float64],
        tolerances: Sequence[Fraction],
        targets: Sequence[int],
        limit: Limit | None = None,
    ) -> Iterator[_Unproven]:
        """Yield the targets that are not proven to be without a replacement that costs less than `dear`, of each, and the limit.

        Each with what could be in one; once for a tolerance. The limit may be lowered meanwhile.
        """
        limit, terms = limit or Limit(), dict[tuple[float, float], _Term]()
        for start in range(0, len(targets), _ROWS):
            block = list(targets[start : start + _ROWS])
            shares = self.there[self.holdings.rows[block]] @ self.there.T > 0
            for at, shared in zip(block, shares[:, self.holdings.rows], strict=True):
                key = float(self.months[at]), self.offers[at].fading
                terms[key] = term = terms.get(key) or self._term(prices, *key)
                is_had = (self.rights >= self.rights[at]) & self.meeting[self.limits[at], self.limits]
                includes = shared & is_had & (term.least < dear[at])
                eased = [(float(1 - tolerance), float(dear[at])) for tolerance in sorted(tolerances)]
                yield from self._unproven(at, np.flatnonzero(includes), term, eased, limit)

    def _term(self, prices: NDArray[np.float64], months: float, fading: float) -> _Term:
        moments, is_within = Moments.of(self.bounds, months, fading), self.starts < months
        by_moment = least_by_moment(moments, self.starts[is_within], self.months, prices[:, is_within])
        least = np.where(np.isfinite(by_moment).any(axis=1), prices[:, is_within].min(axis=1), np.inf)
        return _Term(moments, by_moment, least, prices)

    def _unproven(
        self,
        at: int,
        cheaper: NDArray[np.int64],
        term: _Term,
        eased: Sequence[tuple[float, float]],
        limit: Limit,
    ) -> Iterator[_Unproven]:
        """Yield one, so many times as precise at least, where it is not proven; eased: by how much, and its price."""
        holdings, own = self.holdings, self.holdings.rows[at]
        parts = np.flatnonzero(np.isfinite(holdings.variances[own]))
        is_other = (self.products[cheaper] != self.products[at])[:, None]
        within, worths = np.ix_(holdings.rows[cheaper], parts), holdings.worths[own, parts]
        variances = np.where(is_other, holdings.least[within], holdings.variances[within])
        needed = np.where(is_other, holdings.across[own, parts], holdings.variances[own, parts])
        for by, price in eased if len(cheaper) else ():
            dear = float(ceil(min(price * by, limit.minor) * (1 - 1e-12)))  # costs are whole
            found = np.flatnonzero(term.least[cheaper] < dear)
            spread = needed[found] / by
            families = self.family[cheaper[found]]
            inside = _counts(variances[found], spread, families)
            some = np.flatnonzero(inside.any(axis=1))
            useful, inside = cheaper[found[some]], inside[some]
            is_clear = is_proven(inside, worths, term.by_moment[useful], term.moments.worths, dear)
            cover = (
                None if is_clear else self._cover((spread[some], variances[found[some]], inside), useful, term, dear)
            )
            if cover and not reaches(cover.bound, dear):
                yield _Unproven(at, int(dear), useful.tolist(), cover)
            elif len(set(families)) > 1 and dear < limit.minor:
                # Values of parts that prove it prove it when all are lowered by a tolerance, too. Not so of one family, of
                # which coarser editions did not count, which at the next tolerance may.
                break

    def _cover(
        self,
        precisions: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
        useful: NDArray[np.int64],
        term: _Term,
        dear: float,
    ) -> Cover:
        """Return what may be bought of useful offers within a term for less than `dear`."""
        offers = [self.offers[each] for each in useful.tolist()]
        sources = [
            Source(offer.name if offer.fresh_noise else f"of {offer.family}", offer.fresh_noise) for offer in offers
        ]
        pieces = [
            Piece(number, int(self.starts[at]), term.prices[each, at].item(), covers)
            for number, each in enumerate(useful.tolist())
            for at in np.flatnonzero(term.prices[each] < dear).tolist()
            if (covers := term.moments.within(self.starts[at], self.months[each]))
        ]
        return Cover(precisions, sources, pieces, len(term.moments.at))


def _holdings(offers: Sequence[Offer]) -> Holdings:
    """Return what the parts of offers say. Refuses Empty parts, OutOfRange, NotWhole, Negative, TooLarge."""
    _check_parts(offers)
    number = {part: at for at, part in enumerate({part: None for offer in offers for part in offer.parts})}
    holdings = np.full((4, len(offers), len(number)), np.inf)
    holdings[1] = 0
    for at, offer in enumerate(offers):
        figures = [(part.variance, part.worth, part.compared, part.least) for part in offer.parts.values()]
        holdings[:, at, [number[part] for part in offer.parts]] = np.array(figures, float).T
    variances, worths, across, least = holdings
    return Holdings(variances, worths, across, least, np.arange(len(offers)))


def _counts(
    variances: NDArray[np.float64], target: NDArray[np.float64], families: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return how much of the target's precision m offers have on its n parts, m × n, at most one.

    target: its variances as each of them compares it, m × n. families: m. Of one family alone there is nothing to average a coarser edition with.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        counts = np.where(variances <= target, 1.0, target / variances)
    if len(families) and families[0] >= 0 and (families == families[0]).all():
        counts[counts < 1] = 0
    return counts


def _check_offers(offers: Sequence[Offer]) -> None:
    names = set()
    for offer in offers:
        if offer.name in names:
            msg = f"{offer.name} is listed twice"
            raise Duplicate(msg)
        names.add(offer.name)
        amount(offer.price_minor, "a price")
        amount(offer.right, "a right")
        amount(offer.months, "a term")
        if offer.fresh_noise and offer.price_minor == 0:
            msg = f"{offer.name} draws fresh noise for nothing, so it could be averaged without end"
            raise OutOfRange(msg)


def _check_parts(offers: Sequence[Offer]) -> None:
    for offer in offers:
        if not offer.parts:
            msg = f"{offer.name} holds nothing"
            raise Empty(msg)
        for part in offer.parts.values():
            amount(part.variance, "a variance")
            amount(part.compared, "a variance across products")
            amount(part.least, "a variance at best")
        if min(part.worth for part in offer.parts.values()) < 1:
            msg = f"a part of {offer.name} is worth nothing"
            raise OutOfRange(msg)
