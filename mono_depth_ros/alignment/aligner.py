# SPDX-License-Identifier: Apache-2.0
"""From image to image: predictions in, metric depth out, whether or not samples came with this one."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from mono_depth_ros.alignment.align import (
    Histogram,
    at,
    consistent,
    error_histogram,
    finish,
    fit_error,
    per_frame,
    usable,
)
from mono_depth_ros.alignment.fit import choose_curve, fit_curve, inverse_gain
from mono_depth_ros.alignment.result import Alignment, Curve
from mono_depth_ros.alignment.samples import Samples
from mono_depth_ros.alignment.scale_file import SavedScale
from mono_depth_ros.alignment.tracker import Tracker
from mono_depth_ros.alignment.uncertainty import uniform
from mono_depth_ros.config import AlignConfig, TrackerConfig
from mono_depth_ros.errors import ConfigError, FitError
from mono_depth_ros.prediction import DepthKind, DepthPrediction

_BACK_S = 1.0  # an image that lies farther back than this before the last fit is of a recording that loops
_RECENT_S = 0.5  # later than this after the last fit the state is held, not aligned


@dataclass(frozen=True, eq=False)
class Aligned:
    """What became of one prediction.

    Attributes:
        prediction: METRIC, or None: unaligned.
        alignment: its fit is the filtered one; its errors are those of this image's held-out samples, if it has any.
        state: "aligned", "held" (the last fit is older than half a second), "frozen" or "unaligned".
        age_s: since the last fit that was taken in; NaN before the first.
        reason: why this image's samples did not count, or why there is no alignment; "" where all is well.
        fitted, held_out: how many samples of this image the result is made of, and how many of them were held out once.
        histogram: of the relative errors of those, or None.
    """

    prediction: DepthPrediction | None
    alignment: Alignment | None
    state: str
    age_s: float
    reason: str = ""
    fitted: int = 0
    held_out: int = 0
    histogram: Histogram | None = None


class Aligner:
    """Keeps scale and shift from image to image; for a worker and for services in other threads.

    Args:
        config, tracker: as for `align` and `Tracker`; both may be replaced at any time through `configure`.
    """

    def __init__(self, config: AlignConfig | None = None, tracker: TrackerConfig | None = None) -> None:
        self._lock = threading.Lock()
        self._config = config or AlignConfig()
        self._tracker = Tracker(tracker or TrackerConfig())
        self._frozen = False
        self._fresh_load = False
        self._kind: DepthKind | None = None  # of the predictions that scale and shift are of; None: nobody said
        self._held_out_abs_rel: float | None = None

    def configure(self, config: AlignConfig, tracker: TrackerConfig) -> None:
        """Go on with other options."""
        with self._lock:
            self._config, self._tracker.config = config, tracker

    @torch.no_grad()
    def update(
        self,
        prediction: DepthPrediction,
        samples: Samples | None,
        stamp_ns: int,
        fresh: bool = True,
        guide: torch.Tensor | None = None,
        local: bool = True,
        uncertainty: bool = True,
    ) -> Aligned:
        """Align the prediction of one image.

        Args:
            samples: of this image, or None. stamp_ns: of the image.
            fresh: False for samples that were counted with an earlier image: with a reference slower than the camera
                they correct this one too, but a filter that took them twice would be surer than it may be.
            guide: (H, W, 3) uint8 RGB for the local correction. local: False for samples that can only fix the scale.
            uncertainty: the prediction that is returned has one.

        Raises:
            DataError: samples of another size. What is wrong with the samples otherwise is in `reason`.
            ConfigError: a loaded or frozen scale, or a configured curve, that is not for predictions of this kind.
        """
        with self._lock:
            config = per_frame(self._config, stamp_ns)
            if not local:  # such samples choose no curve
                config = replace(config, local=False, curve="auto" if config.curve == "best" else config.curve)
            reason, outliers = "", 0.0
            given = _no_samples(prediction)
            if self._fresh_load:
                self._tracker.restamp(stamp_ns)
                self._fresh_load = False
            if samples is not None:
                try:
                    known = usable(prediction, samples)
                    given, note = consistent(prediction, known, config, guide)
                    outliers = 1 - len(given) / max(len(known), 1)
                    if not self._frozen and fresh:
                        reason = self._learn(prediction, given, len(known), config, stamp_ns)
                    reason = reason or note
                except FitError as error:
                    reason = str(error)
            if self._tracker.age_s(stamp_ns) < -_BACK_S:  # a fit of what is still to come: it ages from here
                self._tracker.restamp(stamp_ns)
            fit, age_s = self._tracker.fit, max(self._tracker.age_s(stamp_ns), 0.0)
            if fit is None or self._too_old(age_s):
                why = f"the last fit is {age_s:.1f} s old, hold is {self._tracker.config.hold:g} s"
                why = reason or ("no reference was fitted yet" if fit is None else why)
                age_s = float("nan") if fit is None else age_s
                return Aligned(None, None, "unaligned", age_s, why, len(given))
            if given.scale_only is not None and not given.scale_only.all():
                given = given.select(~given.scale_only)
            SavedScale(fit, kind=self._kind).check(prediction.kind)
            drift = self._tracker.drift(age_s) if uncertainty else None
            alignment = finish(prediction, fit, given, config, guide, drift, outliers)
            left_out = alignment.left_out
            if alignment.displaced is not None:
                reason = reason or alignment.displaced.words
            if alignment.after is not None:
                self._held_out_abs_rel = alignment.after.abs_rel
                self._tracker.fit_error = fit_error(prediction, fit, given)
            elif drift is not None and not len(given) and self._tracker.fit_error is not None:
                alignment = replace(alignment, uncertainty=uniform(self._tracker.fit_error).aged(drift))
            found = alignment.apply(prediction)
            state = "frozen" if self._frozen else "aligned" if age_s <= _RECENT_S else "held"
            histogram = error_histogram(left_out) if left_out is not None else None
            held_out = len(left_out) if left_out is not None else 0
            return Aligned(found, alignment, state, age_s, reason, len(given), held_out, histogram)

    def freeze(self, frozen: bool) -> None:
        """Keep scale and shift as they are, whatever comes; they do not age meanwhile.

        Raises:
            ConfigError: there is nothing yet to keep.
        """
        with self._lock:
            if frozen and self._tracker.fit is None:
                raise ConfigError("there is no scale to freeze yet: no reference was fitted and no calibration loaded")
            # What was frozen may be old by now: it counts from the next image.
            self._fresh_load = self._fresh_load or (self._frozen and not frozen)
            self._frozen = frozen

    @property
    def frozen(self) -> bool:
        """Whether scale and shift are kept as they are."""
        return self._frozen

    def reset(self) -> None:
        """Forget scale and shift, and go on learning."""
        with self._lock:
            self._tracker.reset()
            self._frozen = self._fresh_load = False
            self._kind = self._held_out_abs_rel = None

    def saved_scale(self, model: str = "") -> SavedScale:
        """Scale and shift to keep.

        Raises:
            ConfigError: there are none yet.
        """
        with self._lock:
            if self._tracker.fit is None:
                raise ConfigError("there is no scale to save yet: no reference was fitted and no calibration loaded")
            return SavedScale(
                self._tracker.fit, self._held_out_abs_rel, model, self._kind, self._tracker.stamp_ns or None
            )

    def load(self, saved: SavedScale) -> None:
        """Begin with scale and shift of a file; without freezing, it ages from the next image on.

        Whether it is for predictions of this kind shows with the first of them: `update` refuses it then.
        """
        with self._lock:
            self._tracker.load(saved.fit, 0)
            self._fresh_load = True
            self._kind, self._held_out_abs_rel = saved.kind, saved.held_out_abs_rel

    def _learn(
        self, prediction: DepthPrediction, fitted: Samples, known: int, config: AlignConfig, stamp_ns: int
    ) -> str:
        """Fit and filter, of so many samples that are known those that are consistent; why not, or ""."""
        values = at(prediction.values, fitted)
        if choose_curve(prediction.kind, config.curve) is None and self._kind in (prediction.kind, None):
            curve = self._tracker.best_curve(inverse_gain(values, fitted.depth, config, fitted.weight))
            config = replace(config, curve=curve.value)
        try:
            fit = fit_curve(values, fitted.depth, prediction.kind, config, fitted.weight)
        except FitError as error:
            return str(error)
        fit = replace(fit, inliers=fit.inliers * len(fitted) / max(known, 1))
        x: NDArray[np.float64] = values[np.isfinite(values)].astype(np.float64)
        if fit.curve is Curve.INVERSE and not prediction.kind.inverse:
            x = 1 / x
        if self._kind not in (prediction.kind, None):  # 1/p is no inverse depth, though the curve is the same
            self._tracker.reset()
        before = self._tracker.fit
        if self._tracker.update(fit, x, stamp_ns):
            self._kind = prediction.kind
            if config.curve != self._config.curve and before is not None and before.curve is not fit.curve:
                return fit.note or f"the curve is {fit.curve.value} from here on: it tells held-out samples better"
            return fit.note
        return fit.note or "the fit of this image is far from the scale so far: waiting for the next one to agree"

    def _too_old(self, age_s: float) -> bool:
        hold_s = self._tracker.config.hold
        return not self._frozen and 0 < hold_s < age_s


def _no_samples(prediction: DepthPrediction) -> Samples:
    height, width = prediction.values.shape
    nothing = np.zeros(0, dtype=np.int64)
    return Samples(nothing, nothing, np.zeros(0, dtype=np.float32), (height, width))
