# SPDX-License-Identifier: Apache-2.0
"""What a network reads and what its outputs mean: one declaration, in the field's terms.

Every family declares its own, the only home of sizes, kernels, mean, std, padding, kind and ranges. `preprocess` and
`postprocess` run it; as YAML it is the contract file beside an ONNX file, read for somebody's file, written for ours.
"""

from __future__ import annotations

import math
import os
from dataclasses import MISSING, dataclass, replace
from pathlib import Path

import yaml

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.config import option
from mono_depth_ros.config.strict_yaml import parse, plain, read_yaml
from mono_depth_ros.errors import ConfigError, ModelError
from mono_depth_ros.prediction import DepthKind

DOCUMENTATION = "docs/onnx_models.md in the source of mono_depth_ros"
_RELATIVE = tuple(kind.value for kind in DepthKind if kind is not DepthKind.METRIC)
KINDS = ("metric", "canonical", "log_metric", "inverse_metric", "inverse_canonical", *_RELATIVE)
RULES = ("fixed", "shorter_side", "longer_side", "near", "fit", "source")


@dataclass(frozen=True)
class SizeRule:
    """At which size the network reads an image: exactly one of the first six, width before height."""

    fixed: tuple[int, ...] | None = option(None, "stretched to this width and height", unit="px", low=1, count=2)
    shorter_side: int | None = option(None, "aspect ratio kept, both sides at least this", unit="px", low=1)
    longer_side: int | None = option(None, "aspect ratio kept, both sides at most this", unit="px", low=1)
    near: tuple[int, ...] | None = option(
        None,
        "aspect ratio kept, by the factor to this width or to this height, whichever changes the image less",
        unit="px",
        low=1,
        count=2,
    )
    fit: tuple[int, ...] | None = option(
        None,
        "aspect ratio kept, as large as fits into this width and height, the rest padded",
        unit="px",
        low=1,
        count=2,
    )
    source: bool = option(False, "as it is")
    multiple: int = option(
        1, "with `shorter_side`, `longer_side`, `near`, `source`: both sides become multiples of this", unit="px", low=1
    )
    rounding: str = option(
        "nearest",
        "to whole pixels and multiples. `nearest`: halves to even, `half_up`: halves up, both never past the bound of "
        "`shorter_side` or `longer_side`",
        choices=("nearest", "half_up", "down", "up"),
    )
    two_steps: bool = option(
        False,
        "with `multiple` or `fixed`: resized to whole pixels first (halves to even), aspect ratio kept, the longer "
        "side as long as that of `fixed`; and that picture to multiples or to `fixed`, as in Depth Anything 3; a step "
        "that changes nothing is left out",
    )
    only_shrink: bool = option(
        False, "with `longer_side`: smaller images are read at their own size, but for `multiple`"
    )
    min_side: int = option(1, "images that would be read with a shorter side are refused", unit="px", low=1)
    max_side: int | None = option(
        None, "images that would be read with a longer side are refused: their shape is too extreme", unit="px", low=1
    )

    @property
    def rule(self) -> str:
        """Which of RULES it is."""
        return next(name for name in RULES if getattr(self, name))

    def scaled(self, factor: float) -> SizeRule:
        """The rule for images read at this fraction of the size.

        Raises:
            ModelError: the size is fixed, or is that of the image.
        """
        for name in ("shorter_side", "longer_side"):
            if side := getattr(self, name):
                return replace(self, **{name: max(round(side * factor), 1)})
        box = self.fixed or self.fit
        raise ModelError(f"it reads every image {f'at {box[0]}x{box[1]}' if box else 'at its own size'}")

    def check(self, where: str) -> None:
        """Raise ModelError unless exactly one rule is given and the other fields suit it."""
        given = [name for name in RULES if getattr(self, name)]
        if len(given) != 1:
            raise ModelError(f"{where} gives {' and '.join(given) or 'no size'}, expected one of: {', '.join(RULES)}")
        box = self.fixed or self.fit
        if box and self.multiple != 1:
            raise ModelError(f"{where}: 'multiple' goes with sizes that change, {given[0]} {list(box)} has its own")
        if self.two_steps and self.multiple == 1 and not self.fixed:
            raise ModelError(f"{where}: 'two_steps' goes with a 'multiple' or with fixed, found none")
        if self.only_shrink and self.longer_side is None:
            raise ModelError(f"{where}: 'only_shrink' goes with 'longer_side', found {given[0]}")


@dataclass(frozen=True)
class Padding:
    """What fills the rest of `fit`."""

    where: str = option(
        MISSING,
        "the image in the centre (an odd pixel goes right and below), or at the top left",
        choices=("centre", "right_bottom"),
    )
    value: tuple[float, ...] = option(
        (0.0, 0.0, 0.0),
        "of each channel in the network's order, before `mean` and `std`",
        unit="grey levels",
        low=0,
        high=255,
        count=3,
    )


@dataclass(frozen=True)
class ImageInput:
    """The input that takes the image: resized, padded, channels put in order, scaled to `range`, normalised."""

    name: str = option(MISSING, "of the input in the graph")
    size: SizeRule = option(MISSING, "see below")
    resample: str = option(
        MISSING,
        "kernel of the resize. `cubic`: a = -0.75, of OpenCV and torch (-0.5 with `antialias`, as in Pillow); "
        "`area`: mean over each new pixel's area, `cubic` where a side grows; `lanczos`: a = 3, with `antialias` only",
        choices=("linear", "cubic", "area", "lanczos"),
    )
    range: int = option(MISSING, "grey levels run from 0 to this before `mean` and `std`", choices=(1, 255))
    pad: Padding | None = option(None, "with `fit` only, see below")
    antialias: bool = option(
        False, "widen the kernel where the image shrinks, as Pillow does (to the bit with `resample_dtype` uint8)"
    )
    resample_dtype: str = option(
        "float32", "`uint8`: the resized image is rounded to grey levels", choices=("float32", "uint8")
    )
    channels: str = option("rgb", "their order", choices=("rgb", "bgr"))
    layout: str = option(
        "nchw",
        "of the tensor; `n1chw`: with an axis of one view, as in Depth Anything 3; `chw`, `hwc`: of one image, without "
        "an axis for the batch",
        choices=("nchw", "nhwc", "n1chw", "chw", "hwc"),
    )
    dtype: str = option("float32", "of the tensor", choices=("float32", "float16", "float64", "uint8"))
    mean: tuple[float, ...] = option(
        (0.0, 0.0, 0.0), "of each channel in the network's order, in the units of `range`", low=-255, high=255, count=3
    )
    std: tuple[float, ...] = option((1.0, 1.0, 1.0), "likewise", low=1e-6, high=255, count=3)

    def check(self, where: str) -> None:
        """Raise ModelError where fields contradict each other."""
        self.size.check(f"{where}, size")
        if (self.size.fit is not None) != (self.pad is not None):
            raise ModelError(
                f"{where} has {'no pad, expected it' if self.size.fit else 'a pad, expected none'} with "
                f"size rule {self.size.rule}: fit and pad go together"
            )
        if self.antialias and self.resample == "area":
            raise ModelError(f"{where}: area is a mean already, expected antialias with other kernels only")
        if self.resample == "lanczos" and not self.antialias:
            raise ModelError(f"{where}: resample is lanczos without antialias, expected antialias: true, as in Pillow")
        if self.dtype == "uint8" and (self.range, *self.mean, *self.std) != (255, 0, 0, 0, 1, 1, 1):
            raise ModelError(f"{where}: dtype uint8 takes grey levels, expected range 255 without mean and std")


@dataclass(frozen=True)
class CameraInput:
    """A second input that takes the camera."""

    name: str = option(MISSING, "of the input in the graph")
    form: str = option(
        MISSING,
        "`focal_px`: f, one number an image; `matrix`: the 3x3 K; `matrix4`: K in the upper left of a 4x4; "
        "`inverse_matrix`: the inverse of K; `vector`: fx, fy, cx, cy; `rays`: x, y, z of the unit vector to what each "
        "pixel sees, 3 channels first, lens distortion included. All at the processed size, padding included",
        choices=("focal_px", "matrix", "matrix4", "inverse_matrix", "vector", "rays"),
    )
    pixel_centres: str = option(
        "integers",
        "of the principal point: the middle of the first pixel is at 0, as in ROS and OpenCV, or (`halves`) at 0.5",
        choices=("integers", "halves"),
    )

    def check(self, where: str) -> None:
        """Raise ModelError where fields contradict each other."""
        if self.pixel_centres != "integers" and self.form in ("focal_px", "rays"):
            raise ModelError(f"{where}: pixel_centres goes with a form that has a principal point, found {self.form}")


@dataclass(frozen=True)
class PromptInput:
    """A further input that takes known depths, such as a lidar's, on a grid over the whole image."""

    name: str = option(MISSING, "of the input in the graph, (N, 1, h, w), (N, h, w) or (h, w)")
    size: SizeRule = option(MISSING, "of the grid, as of the image: `fixed` or `longer_side`")
    range: str = option(
        "own",
        "`own`: from 0 to 1 between the nearest and the farthest depth of the prompt, and the depth output likewise "
        "between these two (Prompt Depth Anything); `metres`: as they are, times `factor`",
        choices=("own", "metres"),
    )
    factor: float = option(1.0, "with `metres`: 1000 for millimetres", low=1e-6, high=1e6)
    hole: float | None = option(
        None,
        "stands where nothing is known; without it the mean of the 4 nearest known depths",
        low=-1e6,
        high=1e6,
    )

    def check(self, where: str) -> None:
        """Raise ModelError where fields contradict each other."""
        self.size.check(f"{where}, size")
        if self.size.rule not in ("fixed", "longer_side"):
            raise ModelError(f"{where}, size gives {self.size.rule}, expected fixed or longer_side")
        if self.range == "own" and self.factor != 1.0:
            raise ModelError(f"{where}: factor goes with range metres, found range own")


@dataclass(frozen=True)
class Outputs:
    """Outputs by their names in the graph; what the graph has and is not wanted is named in `ignored`."""

    resize: str = option(
        MISSING,
        "back to the size of the image. `linear`: half-pixel rule (align_corners=False); `corners`: align_corners=True",
        choices=("linear", "corners", "cubic"),
    )
    depth: str = option("", "depth or inverse depth according to `kind`; this or `points`")
    points: str = option("", "(x, y, z) of each pixel, of which z is the depth; this or `depth`")
    points_shift: bool = option(
        False,
        "`points` lack a constant in z, found from the known focal length and the centre of the image (MoGe, "
        "`recover_focal_shift`)",
    )
    shift_by: str = option(
        "focal",
        "what `points_shift` goes by. `focal`: fx and the centre of the image, as MoGe's authors; `camera`: what each "
        "pixel sees, by the principal point, fy and the lens distortion too",
        choices=("focal", "camera"),
    )
    scale: str = option("", "a factor for each image that the depth is multiplied by")
    factor: float = option(
        1.0, "`depth`, or the z of `points`, times this and plus `offset` is what `kind` says: 0.001 for millimetres"
    )
    offset: float = option(0.0, "see `factor`")
    normals: str = option("", "surface normals, 3 channels first or last, further channels are left out")
    normals_signs: tuple[int, ...] = option(
        (1, 1, 1),
        "factors that turn its axes into x right, y down, z forward with normals towards the camera",
        choices=(-1, 1),
        count=3,
    )
    confidence: str = option("", "from 0 to 1, unless `confidence_form` says otherwise")
    confidence_form: str = option(
        "share",
        "`share`: higher is better; `error`: larger is worse, of no unit, from about 1 up (UniDepthV2): the confidence "
        "is 1 / max(output, 1); `odds`: higher is better, of no unit, from 1 up (Depth Anything 3): it is 1 - 1 / "
        "max(output, 1)",
        choices=("share", "error", "odds"),
    )
    confidence_clamp: bool = option(
        False, "values below 0 become 0 and above 1 become 1; without it a graph that gives more than 1.05 is refused"
    )
    sky: str = option("", "score of sky: depth there is +inf; of no use to inverse depth")
    sky_above: float | None = option(None, "where the score is above this there is sky; this or `sky_below`")
    sky_below: float | None = option(None, "where the score is below this there is sky")
    mask: str = option("", "score of validity: elsewhere depth, normals and confidence are NaN")
    mask_above: float = option(0.5, "valid where the score is above this")
    range_m: tuple[float, ...] | None = option(None, "metric depth outside is NaN", unit="m", low=0, count=2)
    ignored: tuple[str, ...] = option((), "outputs of the graph that are not wanted")

    @property
    def wanted(self) -> dict[str, str]:
        """Name in the graph of each output that is used, by its key here."""
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
        if not (self.factor and math.isfinite(self.factor) and math.isfinite(self.offset)):
            raise ModelError(
                f"{where} gives factor {self.factor:g} and offset {self.offset:g}, expected a factor other than 0"
            )
        if self.confidence_form != "share" and (not self.confidence or self.confidence_clamp):
            found = "with confidence_clamp" if self.confidence else "without confidence"
            raise ModelError(f"{where} gives confidence_form {found}, expected confidence without confidence_clamp")
        if self.points_shift and not self.points:
            raise ModelError(f"{where}: points_shift goes with points, found depth")
        if self.shift_by != "focal" and not self.points_shift:
            raise ModelError(f"{where}: shift_by goes with points_shift, found none")
        if self.range_m is not None and not (metric and self.range_m[0] < self.range_m[1]):
            found = f"{list(self.range_m)}{'' if metric else ' with a relative kind'}"
            raise ModelError(f"{where}: range_m is {found}, expected [nearest, farthest] of a metric kind")


@dataclass(frozen=True)
class Processing:
    """What a network reads and gives; `f` is the focal length at the processed size."""

    kind: str = option(
        MISSING,
        "of the depth output. `metric`: metres; `canonical`: depth = output * f / `focal_px`; `log_metric`: depth = "
        "exp(output); `inverse_metric`: depth = 1 / output; `inverse_canonical`: depth = f / (`focal_px` * output); "
        "relative kinds: `inverse_affine`: inverse depth up to scale and shift; `affine`: depth up to scale and shift; "
        "`scale`: depth up to one scale",
        choices=KINDS,
    )
    input: ImageInput = option(MISSING, "the image, see below")
    outputs: Outputs = option(MISSING, "see below")
    focal_px: float | None = option(
        None, "focal length of the canonical camera, with the canonical kinds only", unit="px", low=1e-3
    )
    focal: str = option(
        "fx",
        "which focal length is f: `fx`, the `mean` of fx and fy, or the `geometric` one; both scaled as the image is",
        choices=("fx", "mean", "geometric"),
    )
    intrinsics: CameraInput | None = option(None, "a second input that takes the camera, see below")
    prompt: PromptInput | None = option(None, "a further input that takes known depths of the image, see below")
    constants: dict[str, float] = option({}, "further inputs, each with the number it is given always")
    family: str = option("onnx", "name of the architecture, for people")
    licence: str = option("not stated", "of the weights, as an SPDX name or in words")

    @property
    def depth_kind(self) -> DepthKind:
        """What the predictions mean."""
        return DepthKind(self.kind) if self.kind in _RELATIVE else DepthKind.METRIC

    @property
    def needs_camera(self) -> bool:
        """True where the intrinsics change the result."""
        return "canonical" in self.kind or self.intrinsics is not None or self.outputs.points_shift

    @property
    def scale_depends_on_size(self) -> bool:
        """True where the metres change with the size that an image is read at: the focal length at that size scales the
        output, and the network makes up for it only as far as it was trained to (Depth Anything 3 metric)."""
        return "canonical" in self.kind

    @property
    def input_names(self) -> tuple[str, ...]:
        """Of all inputs, in the order in which they are given."""
        camera, prompt = ([part.name] if part is not None else [] for part in (self.intrinsics, self.prompt))
        return (self.input.name, *camera, *self.constants, *prompt)

    def check(self, where: str) -> None:
        """Raise ModelError where fields contradict each other."""
        self.input.check(f"{where}, input")
        self.outputs.check(f"{where}, outputs", self.depth_kind is DepthKind.METRIC)
        if self.intrinsics is not None:
            self.intrinsics.check(f"{where}, intrinsics")
        if self.prompt is not None:
            self.prompt.check(f"{where}, prompt")
            if self.kind != "metric":
                raise ModelError(f"{where} gives a prompt with kind {self.kind}, expected kind metric")
            if self.prompt.range == "own" and not self.outputs.depth:
                raise ModelError(f"{where} gives a prompt of range own with points, expected depth")
        if ("canonical" in self.kind) != (self.focal_px is not None):
            found = f"kind {self.kind} {'without' if self.focal_px is None else 'with'} focal_px"
            raise ModelError(f"{where} gives {found}, expected focal_px with the canonical kinds only")
        if self.outputs.points and self.kind not in ("metric", "scale"):
            raise ModelError(f"{where} gives points with kind {self.kind}, expected kind metric or scale")
        if len(set(self.input_names)) != len(self.input_names):
            raise ModelError(f"{where} names an input twice ({', '.join(self.input_names)}), expected each once")

    @classmethod
    def parse(cls, content: object, where: str) -> Processing:
        """From what YAML holds; `where` names the file in errors.

        Raises:
            ModelError: a key is misspelt (the nearest is named) or missing, a value of another type or out of range, or
                two fields contradict each other.
        """
        try:
            processing = parse(cls, content, where)
        except ConfigError as error:
            raise ModelError(str(error)) from error
        processing.check(where)
        return processing

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Processing:
        """From a contract file.

        Raises:
            ModelError: it cannot be read or is no YAML; or as `parse`.
        """
        try:
            content = read_yaml(Path(path))
        except ConfigError as error:
            raise ModelError(f"contract file {path} {error}") from error
        return cls.parse(content, f"contract file {path}")

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a contract file that `read` reads back to an equal one. Defaults are left out."""
        with atomic_path(path) as temporary:
            temporary.write_text(self.dump(), encoding="utf-8")

    def dump(self) -> str:
        """The contract as YAML."""
        content = {key: value for key, value in plain(self).items() if value != {}}
        return yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120)


def contract_path(source: Path) -> Path:
    """Where the contract of an ONNX file is: beside it, with the suffix .yaml."""
    return source.with_suffix(".yaml")
