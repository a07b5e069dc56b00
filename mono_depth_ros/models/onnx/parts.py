# SPDX-License-Identifier: Apache-2.0
"""The parts of a contract: the input that takes the image, the one that takes the camera, the outputs."""

from __future__ import annotations

from dataclasses import dataclass, field

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.onnx.fields import about

RULES = ("fixed", "shorter_side", "longer_side", "fit", "source")


@dataclass(frozen=True)
class SizeRule:
    """At which size the network reads an image: exactly one of the first five, width before height."""

    fixed: tuple[int, ...] | None = field(
        default=None, metadata=about("stretched to this width and height", unit="px", low=1, count=2)
    )
    shorter_side: int | None = field(
        default=None, metadata=about("aspect ratio kept, both sides at least this", unit="px", low=1)
    )
    longer_side: int | None = field(
        default=None, metadata=about("aspect ratio kept, both sides at most this", unit="px", low=1)
    )
    fit: tuple[int, ...] | None = field(
        default=None,
        metadata=about(
            "aspect ratio kept, as large as fits into this width and height, the rest padded", unit="px", low=1, count=2
        ),
    )
    source: bool = field(default=False, metadata=about("as it is"))
    multiple: int = field(
        default=1,
        metadata=about(
            "with `shorter_side`, `longer_side`, `source`: both sides become multiples of this", unit="px", low=1
        ),
    )
    rounding: str = field(
        default="nearest",
        metadata=about(
            "to whole pixels and multiples. `nearest`: halves to even, but never past the bound of `shorter_side` or "
            "`longer_side`",
            choices=("nearest", "down", "up"),
        ),
    )

    @property
    def rule(self) -> str:
        """Which of RULES it is."""
        return next(name for name in RULES if getattr(self, name))

    def check(self, where: str) -> None:
        """Raise ModelError unless exactly one rule is given and the other fields suit it."""
        given = [name for name in RULES if getattr(self, name)]
        if len(given) != 1:
            raise ModelError(f"{where} gives {' and '.join(given) or 'no size'}, expected one of: {', '.join(RULES)}")
        box = self.fixed or self.fit
        if box and self.multiple != 1:
            raise ModelError(f"{where}: 'multiple' goes with sizes that change, {given[0]} {list(box)} has its own")


@dataclass(frozen=True)
class Padding:
    """What fills the rest of `fit`."""

    where: str = field(
        metadata=about(
            "the image in the centre (an odd pixel goes right and below), or at the top left",
            choices=("centre", "right_bottom"),
        )
    )
    value: tuple[float, ...] = field(
        default=(0.0, 0.0, 0.0),
        metadata=about(
            "of each channel in the network's order, before `mean` and `std`",
            unit="grey levels",
            low=0,
            high=255,
            count=3,
        ),
    )


@dataclass(frozen=True)
class InputContract:
    """The input that takes the image: resized, padded, channels put in order, scaled to `range`, normalised."""

    name: str = field(metadata=about("of the input in the graph"))
    size: SizeRule = field(metadata=about("see below"))
    resample: str = field(
        metadata=about(
            "kernel of the resize. `cubic`: a = -0.75, of OpenCV and torch (-0.5 with `antialias`, as in Pillow); "
            "`area`: mean over each new pixel's area, `cubic` where a side grows",
            choices=("linear", "cubic", "area"),
        )
    )
    range: int = field(metadata=about("grey levels run from 0 to this before `mean` and `std`", choices=(1, 255)))
    pad: Padding | None = field(default=None, metadata=about("with `fit` only, see below"))
    antialias: bool = field(
        default=False,
        metadata=about(
            "widen the kernel where the image shrinks, as Pillow does (to the bit with `resample_dtype` uint8)"
        ),
    )
    resample_dtype: str = field(
        default="float32",
        metadata=about("`uint8`: the resized image is rounded to grey levels", choices=("float32", "uint8")),
    )
    channels: str = field(default="rgb", metadata=about("their order", choices=("rgb", "bgr")))
    layout: str = field(
        default="nchw",
        metadata=about(
            "of the tensor; `n1chw`: with an axis of one view, as in Depth Anything 3",
            choices=("nchw", "nhwc", "n1chw"),
        ),
    )
    dtype: str = field(default="float32", metadata=about("of the tensor", choices=("float32", "float16", "uint8")))
    mean: tuple[float, ...] = field(
        default=(0.0, 0.0, 0.0),
        metadata=about("of each channel in the network's order, in the units of `range`", low=-255, high=255, count=3),
    )
    std: tuple[float, ...] = field(default=(1.0, 1.0, 1.0), metadata=about("likewise", low=1e-6, high=255, count=3))

    def check(self, where: str) -> None:
        """Raise ModelError where fields contradict each other."""
        self.size.check(f"{where}, size")
        if (self.size.fit is not None) != (self.pad is not None):
            raise ModelError(
                f"{where} has {'no pad, expected it' if self.size.fit else 'a pad, expected none'} with "
                f"size rule {self.size.rule}: fit and pad go together"
            )
        if self.antialias and self.resample == "area":
            raise ModelError(f"{where}: area is a mean already, expected antialias with linear or cubic only")
        if self.dtype == "uint8" and (self.range, *self.mean, *self.std) != (255, 0, 0, 0, 1, 1, 1):
            raise ModelError(f"{where}: dtype uint8 takes grey levels, expected range 255 without mean and std")


@dataclass(frozen=True)
class IntrinsicsContract:
    """A second input that takes the camera."""

    name: str = field(metadata=about("of the input in the graph"))
    form: str = field(
        metadata=about(
            "`focal_px`: f at the processed size, one number an image; `matrix`: the 3x3 K at the processed size, "
            "padding included, pixel centres at integers",
            choices=("focal_px", "matrix"),
        )
    )


@dataclass(frozen=True)
class OutputsContract:
    """Outputs by their names in the graph; what the graph has and is not wanted is named in `ignored`."""

    resize: str = field(
        metadata=about(
            "back to the size of the image. `linear`: half-pixel rule (align_corners=False); `corners`: "
            "align_corners=True",
            choices=("linear", "corners", "cubic"),
        )
    )
    depth: str = field(default="", metadata=about("depth or inverse depth according to `kind`; this or `points`"))
    points: str = field(default="", metadata=about("(x, y, z) of each pixel, of which z is the depth; this or `depth`"))
    points_shift: bool = field(
        default=False,
        metadata=about(
            "`points` lack a constant in z, found from the known focal length and the centre of the image (MoGe, "
            "`recover_focal_shift`)"
        ),
    )
    scale: str = field(default="", metadata=about("a factor for each image that the depth is multiplied by"))
    normals: str = field(
        default="", metadata=about("surface normals, 3 channels first or last, further channels are left out")
    )
    normals_signs: tuple[int, ...] = field(
        default=(1, 1, 1),
        metadata=about(
            "factors that turn its axes into x right, y down, z forward with normals towards the camera",
            choices=(-1, 1),
            count=3,
        ),
    )
    confidence: str = field(default="", metadata=about("from 0 to 1"))
    sky: str = field(default="", metadata=about("score of sky: metric depth there is +inf"))
    sky_above: float | None = field(
        default=None, metadata=about("where the score is above this there is sky; this or `sky_below`")
    )
    sky_below: float | None = field(default=None, metadata=about("where the score is below this there is sky"))
    mask: str = field(default="", metadata=about("score of validity: elsewhere depth, normals and confidence are NaN"))
    mask_above: float = field(default=0.5, metadata=about("valid where the score is above this"))
    range_m: tuple[float, ...] | None = field(
        default=None, metadata=about("metric depth outside is NaN", unit="m", low=0, count=2)
    )
    ignored: tuple[str, ...] = field(default=(), metadata=about("outputs of the graph that are not wanted"))

    @property
    def wanted(self) -> dict[str, str]:
        """Name in the graph of each output that is used, by the key of this contract."""
        keys = ("depth", "points", "scale", "normals", "confidence", "sky", "mask")
        return {key: getattr(self, key) for key in keys if getattr(self, key)}

    def check(self, where: str, metric: bool) -> None:
        """Raise ModelError where fields contradict each other."""
        if bool(self.depth) == bool(self.points):
            raise ModelError(f"{where} gives {'both' if self.depth else 'neither'}, expected either depth or points")
        names = [*self.wanted.values(), *self.ignored]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ModelError(f"{where} names {', '.join(twice)} twice, expected every output once")
        senses = [key for key in ("sky_above", "sky_below") if getattr(self, key) is not None]
        if len(senses) != bool(self.sky):
            found = f"{'sky' if self.sky else 'no sky'} with {' and '.join(senses) or 'no threshold'}"
            raise ModelError(
                f"{where} gives {found}, expected sky with one of sky_above and sky_below, or none of them"
            )
        if self.points_shift and not self.points:
            raise ModelError(f"{where}: points_shift goes with points, found depth")
        if self.range_m is not None and not (metric and self.range_m[0] < self.range_m[1]):
            found = f"{list(self.range_m)}{'' if metric else ' with kind inverse_affine'}"
            raise ModelError(f"{where}: range_m is {found}, expected [nearest, farthest] of a metric kind")
