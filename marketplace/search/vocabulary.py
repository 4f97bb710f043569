"""The words that are searched: by their beginning, and the nearest to one that was typed wrong; of words, not of datasets.

Source: Damerau (1964), one change or transposed pair of letters; trigrams choose the words whose distance is computed.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from typing import Final

import numpy as np

SHORT_WORD: Final = 4
"""A word of fewer letters never stands for another one."""
LONG_WORD: Final = 8
"""A word of so many letters may differ by two changes, a shorter one by one."""
MOST_CANDIDATES: Final = 60
"""Words whose distance is computed, those that share the most trigrams."""
SMALL_PART: Final = 8
"""Newer words are sorted among the others once they are one in so many of them."""
MOST_BEGINNINGS: Final = 2_000
"""Words that one beginning stands for."""


class Vocabulary:
    """Words in their order, and the trigrams of those without digits: a number never stands for another one."""

    def __init__(self, block: int) -> None:
        """Begin without words. block: how many new words are kept apart, at least, before they are sorted among the others."""
        self._block = block
        self._sorted: list[str] = []
        self._newer: list[str] = []
        self._unsorted: set[str] = set()
        self._grams: defaultdict[str, array[int]] = defaultdict(lambda: array("i"))
        self._gram_words: list[str] = []

    def add(self, word: str) -> None:
        """Add a new word; many are sorted while they are added, so that no search waits for it."""
        self._unsorted.add(word)
        if len(self._unsorted) > self._block:
            self._learn()

    def beginning_with(self, typed: str) -> list[str]:
        """Return the words that begin with what was typed, the first of very many; of one letter, that word."""
        self._learn()
        found: list[str] = []
        for words in (self._sorted, self._newer):
            start = bisect_left(words, typed)
            end = bisect_left(words, typed if len(typed) == 1 else typed + "\U0010ffff", lo=start)
            end += len(typed) == 1 and words[start : start + 1] == [typed]
            found += words[start : min(end, start + MOST_BEGINNINGS)]
        return found[:MOST_BEGINNINGS]

    def near(self, typed: str) -> list[str]:
        """Return the words that are the fewest changes from what was typed; none too far."""
        if len(typed) < SHORT_WORD:
            return []
        self._learn()
        found = [
            np.frombuffer(self._grams[gram].tobytes(), np.int32) for gram in _trigrams(typed) if gram in self._grams
        ]
        if not found:
            return []
        words, shared = np.unique(np.concatenate(found), return_counts=True)
        best = words[np.argsort(-shared, kind="stable")[:MOST_CANDIDATES]]
        most = 2 if len(typed) >= LONG_WORD else 1
        far = {word: changes(typed, word, most) for word in (self._gram_words[one] for one in best.tolist())}
        least = min(far.values(), default=most + 1)
        return [word for word in far if far[word] == least] if least <= most else []

    def _learn(self) -> None:
        """Sort what words were added since the last search among the others, and note their trigrams."""
        if not self._unsorted:
            return
        fresh = sorted(self._unsorted)
        self._unsorted = set()
        self._newer = sorted(self._newer + fresh)
        if len(self._newer) > max(self._block, len(self._sorted) // SMALL_PART):
            self._sorted, self._newer = sorted(self._sorted + self._newer), []
        for word in fresh:
            if len(word) >= SHORT_WORD - 1 and not any(sign.isdigit() for sign in word):
                for gram in _trigrams(word):
                    self._grams[gram].append(len(self._gram_words))
                self._gram_words.append(word)


def changes(one: str, other: str, most: int) -> int:
    """Return how many letters must be changed, added, dropped or swapped with the next to make one word the other.

    `most` + 1 stands for anything above `most`.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before, row = list[int](), list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        two_before, before, row = before, row, [i]
        for j, against in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, two_before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def _trigrams(word: str) -> set[str]:
    framed = f"  {word} "
    return {framed[at : at + 3] for at in range(len(framed) - 2)}
