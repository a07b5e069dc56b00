# SPDX-License-Identifier: Apache-2.0
"""What an alignment is: how a prediction becomes metres, and how far that can be trusted."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mono_depth_ros.errors import DataError
from mono_depth_ros.metrics import DepthMetrics
from mono_depth_ros.prediction import DepthKind, DepthPrediction

if TYPE_CHECKING:
    import torch

    from mono_depth_ros.alignment.displacement import Displacement
    from mono_depth_ros.alignment.expected_error import Reach
    from mono_depth_ros.alignment.left_out import LeftOut
    from mono_depth_ros.alignment.uncertainty import Uncertainty


class Curve(enum.Enum):
    """How a prediction and the depth d in metres go together; `scale` and `shift` are those of this curve."""

    INVERSE = "inverse"
    """1/d = shift + scale * x. x is a prediction of inverse depth itself, or 1/p of one of depth."""

    LOG = "log"
    """ln d = shift + scale * ln p, p a metric prediction, or one up to scale."""

    SCALE = "scale"
    """d = scale * p, p a metric prediction, or one up to scale; shift is 0."""

    AFFINE = "affine"
    """d = shift + scale * p, p a prediction of depth."""


CURVES = {
    DepthKind.METRIC: tuple(Curve),
    DepthKind.SCALE: tuple(Curve),
    DepthKind.INVERSE_AFFINE: (Curve.INVERSE,),
    DepthKind.AFFINE: (Curve.AFFINE,),
}
"""Those that can make metres of a kind of prediction: all, or one."""


@dataclass(frozen=True, eq=False)
class Fit:
    """One curve for the whole image.

    Attributes:
        curve: what scale and shift mean. scale: positive, of a relative prediction in any unit.
        shift: 1/m for INVERSE, metres for AFFINE, no unit for LOG, 0 for SCALE.
        covariance: (2, 2) of (scale, shift), from the residuals of the inliers; zeros where it is not known.
        inliers: part of the samples, 0 to 1, that agree with the curve. count: samples that were fitted.
        residual: standard deviation of the inliers' residuals, in the units of the curve's left side.
        note: why the curve is not the configured one, which samples were left out, or what is wrong with them; or "".
        far: what a prediction of depth says beyond which INVERSE keeps the ratio that it has there: nothing was fitted
            farther away, and 1/d would come to zero and make it infinite.
    """

    curve: Curve
    scale: float
    shift: float
    covariance: NDArray[np.float64]
    inliers: float
    count: int
    residual: float
    note: str = ""
    far: float = float("inf")

    def apply(self, prediction: DepthPrediction) -> torch.Tensor:
        """(H, W) float32 metres. NaN stays unknown; what is at or behind infinity, and a depth of +inf, is +inf; what
        is at or behind the camera is NaN.

        Raises:
            DataError: a curve that cannot make metres of this kind of prediction.
        """
        import torch

        values, own = prediction.values, CURVES[prediction.kind]
        if self.curve not in own:
            found = f"the curve is {self.curve.value}, expected {own[0].value}"
            raise DataError(f"{found}: {prediction.kind.value} depth has no metres")
        if prediction.kind.inverse:
            return _inverted(self.shift + self.scale * values)
        if self.curve is Curve.SCALE:
            return self.scale * values
        if self.curve is Curve.AFFINE:
            depth = self.shift + self.scale * values
            return torch.where(depth > 0, depth, torch.nan)
        if self.curve is Curve.LOG:
            return torch.exp(self.shift + self.scale * torch.log(values))
        near = values.clamp(max=self.far)
        return torch.where(torch.isposinf(values), values, _inverted(self.shift + self.scale / near) * (values / near))


@dataclass(frozen=True, eq=False)
class Alignment:
    """Of one image.

    Attributes:
        fit: of the whole image. correction: (H, W) float32 ln(d / d of the fit), or None: no local correction.
        before, after: errors to expect over the image, before and after the alignment: samples are held out, predicted
            from others as far away as the image's pixels are from samples; `n` is their number. The result itself is
            made of all samples. before is None for relative predictions, which have no metres, and both are None where
            no sample was held out.
        trusted: `after.abs_rel` is at most `max_abs_rel`; None: nothing was held out.
        kind: of the predictions that it is for.
        reach: how much of the image is near samples, and the error there and in the rest; None as `after`.
        uncertainty: one standard deviation at every pixel; None where nothing was held out.
        left_out: the errors that all of these are made of.
        displaced: where the samples fit the image much better than where they are, or None; its error is in `after`.
        seen: (H, W) float32 metres in place of a sky that samples refute, to be corrected too; NaN elsewhere, or None.
    """

    fit: Fit
    correction: torch.Tensor | None = None
    before: DepthMetrics | None = None
    after: DepthMetrics | None = None
    trusted: bool | None = None
    kind: DepthKind = DepthKind.METRIC
    reach: Reach | None = None
    uncertainty: Uncertainty | None = None
    left_out: LeftOut | None = None
    seen: torch.Tensor | None = None
    displaced: Displacement | None = None

    def apply(self, prediction: DepthPrediction | torch.Tensor | NDArray[Any]) -> DepthPrediction:
        """The prediction in metres, with the confidence and normals that it had, and its uncertainty.

        Args:
            prediction: (H, W); a bare array is of the kind that was aligned.

        Raises:
            DataError: a prediction of the other kind, or of another size than a local correction.
        """
        prediction = as_prediction(prediction, self.kind)
        if prediction.kind is not self.kind:
            raise DataError(f"the prediction is {prediction.kind.value}, the alignment is for {self.kind.value} ones")
        if self.correction is not None and self.correction.shape != prediction.values.shape:
            found, expected = tuple(prediction.values.shape), tuple(self.correction.shape)
            raise DataError(f"the prediction is {found}, expected {expected}, that of the local correction")
        import torch

        depth = self.fit.apply(prediction)
        if self.seen is not None:
            depth = torch.where(torch.isnan(self.seen), depth, self.seen)
        if self.correction is not None:
            depth = torch.exp(self.correction).mul_(depth)
        sigma = None if self.uncertainty is None else self.uncertainty.of(depth)
        return replace(prediction, values=depth, kind=DepthKind.METRIC, uncertainty=sigma)


def _inverted(inverse: torch.Tensor) -> torch.Tensor:
    """1 / inverse; +inf at and below zero, where NaN stays."""
    import torch

    return torch.where(inverse <= 0, torch.inf, 1.0 / inverse)


def as_prediction(
    given: DepthPrediction | torch.Tensor | NDArray[Any], kind: DepthKind = DepthKind.METRIC
) -> DepthPrediction:
    """A bare (H, W) array or tensor as a prediction of a kind; predictions stay what they are."""
    if isinstance(given, DepthPrediction):
        return given
    import torch

    if isinstance(given, torch.Tensor):
        return DepthPrediction(given.to(torch.float32), kind)
    return DepthPrediction(torch.from_numpy(np.array(given, dtype=np.float32)), kind)
