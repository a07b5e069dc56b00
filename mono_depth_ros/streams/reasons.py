# SPDX-License-Identifier: Apache-2.0
"""Why things were left out, counted: of each reason the first sentence, for summaries of recordings and files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_VARYING = re.compile(r"\S*/\S+|\S+\.\w{2,4}\b|\d[\d.,]*")  # paths, file names, numbers
_MANY = 5  # reasons that are told; a JSON summary has them all


class Reasons:
    """Counts by reason.

    Args:
        known: what `values` gave in an earlier run.
    """

    def __init__(self, known: Mapping[str, Any] | None = None) -> None:
        self._counts: dict[str, int] = {}
        self._sentences: dict[str, str] = {}
        for reason, (count, sentence) in (known or {}).items():
            self._counts[reason], self._sentences[reason] = count, sentence

    def add(self, sentence: str, reason: str = "") -> None:
        """One more. Without a slug, sentences that differ in their numbers and files alone are one reason."""
        key = reason or _VARYING.sub("#", sentence)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._sentences.setdefault(key, sentence)

    def __len__(self) -> int:
        """How many things were left out."""
        return sum(self._counts.values())

    @property
    def first(self) -> str:
        """The first sentence of all; "" where nothing was left out."""
        return next(iter(self._sentences.values()), "")

    def values(self) -> dict[str, list[Any]]:
        """Count and first sentence of each reason, as JSON values."""
        return {reason: [count, self._sentences[reason]] for reason, count in self._counts.items()}

    def sentence(self, done: str, count: int, total: int, things: str = "images") -> str:
        """Such as "aligned 2 of 9 images: 7 because ..."; "" where nothing is missing."""
        if count == total and total:
            return ""
        words = self.words(total - count)
        return f"{done} {count} of {total} {things}" + (f": {words}" if words else "")

    def words(self, missing: int) -> str:
        """The reasons, with their counts where one is not that of all that is `missing`; the most frequent first."""
        found = sorted(self._counts, key=lambda reason: -self._counts[reason])
        words = [self._sentences[reason] for reason in found[:_MANY]]
        if len(found) > 1 or len(self) != missing:
            words = [f"{self._counts[reason]} because {text}" for reason, text in zip(found, words, strict=False)]
        return "; ".join(words + ([f"and {len(found) - _MANY} other reasons"] if len(found) > _MANY else []))
