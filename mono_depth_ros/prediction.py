# SPDX-License-Identifier: Apache-2.0
"""What a depth model returns. No bare depth array crosses a room."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # torch takes seconds to import; who asks what a model is does not need it
    import numpy as np
    import torch
    from numpy.typing import NDArray


class DepthKind(enum.Enum):
    """What the numbers of a prediction mean."""

    METRIC = "metric"
    """Metres along the optical axis (z, not range). NaN unknown, +inf sky or beyond range (REP 117, REP 118)."""

    INVERSE_AFFINE = "inverse_affine"
    """Unitless inverse depth, larger is nearer, up to an unknown scale and shift."""

    AFFINE = "affine"
    """Unitless depth, larger is farther, up to an unknown scale and shift, and of any sign. +inf: sky."""

    SCALE = "scale"
    """Unitless depth, larger is farther, up to one unknown scale: positive, and 0 is at the camera. +inf: sky."""

    @property
    def inverse(self) -> bool:
        """True where larger is nearer."""
        return self is DepthKind.INVERSE_AFFINE

    @property
    def proportional(self) -> bool:
        """True where one factor makes metres of it, 1 for metres: what is not positive is no depth."""
        return self in (DepthKind.METRIC, DepthKind.SCALE)

    @property
    def words(self) -> str:
        """Such as "relative inverse depth"."""
        return _WORDS[self]


_WORDS = {
    DepthKind.METRIC: "metric depth",
    DepthKind.INVERSE_AFFINE: "relative inverse depth",
    DepthKind.AFFINE: "relative depth",
    DepthKind.SCALE: "relative depth up to one scale",
}


@dataclass(frozen=True, eq=False)
class DepthPrediction:
    """One image's prediction, on the model's device.

    Attributes:
        values: (H, W) float32, metres, unitless depth or unitless inverse depth according to `kind`.
        kind: what `values` means.
        confidence: (H, W) float32 in [0, 1], where the model has one.
        normals: (H, W, 3) float32, unit length, camera optical frame, towards the camera, where the model has them.
        uncertainty: (H, W) float32, one standard deviation of METRIC values in metres, where it is known.
    """

    values: torch.Tensor
    kind: DepthKind
    confidence: torch.Tensor | None = None
    normals: torch.Tensor | None = None
    uncertainty: torch.Tensor | None = None

    def __post_init__(self) -> None:
        import torch

        if self.values.ndim != 2 or self.values.dtype != torch.float32:
            raise ValueError(f"values: expected (H, W) float32, got {tuple(self.values.shape)} {self.values.dtype}")
        shape = tuple(self.values.shape)
        for name, expected in (("confidence", shape), ("normals", (*shape, 3)), ("uncertainty", shape)):
            tensor = getattr(self, name)
            if tensor is not None and tuple(tensor.shape) != expected:
                raise ValueError(f"{name}: expected {expected}, got {tuple(tensor.shape)}")


class Prompt(Protocol):
    """Known depths at pixels of one image, as some networks take them beside it: `alignment.samples.Samples` are one.

    Attributes:
        rows, columns: (N,) int64 pixels. depth: (N,) float32 metres along the optical axis.
        size: (height, width) that the pixels are counted in: the image's, or another one of its shape.
    """

    @property
    def rows(self) -> NDArray[np.int64]: ...

    @property
    def columns(self) -> NDArray[np.int64]: ...

    @property
    def depth(self) -> NDArray[np.float32]: ...

    @property
    def size(self) -> tuple[int, int]: ...
