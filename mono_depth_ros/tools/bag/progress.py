# SPDX-License-Identifier: Apache-2.0
"""How far a conversion is, on stderr: images, rate and time left."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm

from mono_depth_ros.errors import SENTENCE, shown


class Bar:
    """A progress bar, where stderr is a terminal; a context manager."""

    def __init__(self, name: str) -> None:
        self._bar = tqdm(
            unit="image",
            file=sys.stderr,
            dynamic_ncols=True,
            desc=shown(name),
            smoothing=0.05,
            mininterval=0.5,
            disable=None,
        )
        self._begun = False

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def step(self, done: int, total: int | None) -> None:
        """`done` images of `total`, None where that is not known. Those of the first call do not count for the rate."""
        if not self._begun:
            self._bar.initial = self._bar.n = done
            self._begun = True
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def tell(self, words: str) -> None:
        """A line that does not tear the bar."""
        tqdm.write(shown(words, SENTENCE), file=sys.stderr)
