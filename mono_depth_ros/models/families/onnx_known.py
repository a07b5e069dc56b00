# SPDX-License-Identifier: Apache-2.0
"""A contract to begin with for an ONNX file: exports of well-known networks show in their names and shapes.

What the file does not say stays open: the contract then lacks that key, and is refused until somebody has decided.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import yaml

from mono_depth_ros.models.families.metric3d_v2 import INPUT_SIZE
from mono_depth_ros.models.families.onnx_graph import Graph, Port
from mono_depth_ros.models.processing import (
    CameraInput,
    ImageInput,
    Outputs,
    Padding,
    Processing,
    PromptInput,
    SizeRule,
)

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Known:
    """An export that is told by the names of its outputs.

    Attributes:
        title: that of docs/onnx_models.md. processing: as there.
        outputs: the names that each key may have in the graph; all must be there, but for `optional`.
        inputs: further ones that it may have.
        alone: there is no other output. undecided: keys that names and shapes do not tell.
        remark: what else is exported under these names.
    """

    title: str
    processing: Processing
    outputs: dict[str, tuple[str, ...]]
    optional: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    alone: bool = False
    undecided: tuple[str, ...] = ()
    remark: str = ""


@dataclass(frozen=True)
class Contract:
    """What to begin with.

    Attributes:
        title: of the export it looks like, "" where it looks like none that is known.
        processing: in which the `undecided` keys mean nothing. remark: for whoever reads it.
    """

    title: str
    processing: Processing
    undecided: tuple[str, ...]
    remark: str = ""

    def dump(self) -> str:
        """As YAML, without the undecided keys, of which remarks say what to write."""
        content = yaml.safe_load(self.processing.dump())
        for key in self.undecided:
            section, _, name = key.rpartition(".")
            (content[section] if section else content).pop(name)
        remarks = f"# {self.remark}\n" * bool(self.remark)
        remarks += "".join(f"# still to be written: {key}, {_REMARKS[key]}\n" for key in self.undecided)
        return remarks + yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120)


_REMARKS = {
    "kind": "metric, or of a relative network inverse_affine, affine or scale",
    "outputs.depth": "one of the outputs, the others in ignored",
    "input.resample": "linear, cubic or area, as its authors resize",
    "input.range": "1 or 255, with mean and std as its authors normalise",
}

_METRIC3D = Processing(
    kind="canonical",
    input=ImageInput(
        "pixel_values",
        SizeRule(fit=INPUT_SIZE, rounding="down", min_side=14),
        "linear",
        255,
        Padding("centre", (124.0, 116.0, 104.0)),
        resample_dtype="uint8",
    ),
    outputs=Outputs(
        "linear", "predicted_depth", normals="predicted_normal", range_m=(0.0, 300.0), ignored=("normal_confidence",)
    ),
    focal_px=1000.0,
    family="metric3d_v2",
    licence="none stated for the weights",
)

KNOWN = (
    Known(
        "Metric3D v2",
        _METRIC3D,
        {"depth": ("predicted_depth", "pred_depth"), "normals": ("predicted_normal", "pred_normal")},
    ),
    Known(  # of the authors' own exporter
        "Metric3D v2",
        replace(_METRIC3D, outputs=Outputs("linear", "pred_depth", range_m=(0.0, 300.0))),
        {"depth": ("pred_depth",)},
        alone=True,
    ),
    Known(
        "Depth Anything 3, metric",
        Processing(
            kind="canonical",
            input=ImageInput(
                "pixel_values",
                SizeRule(longer_side=504, multiple=14, rounding="half_up", two_steps=True),
                "area",
                1,
                resample_dtype="uint8",
                layout="n1chw",
                mean=_MEAN,
                std=_STD,
            ),
            outputs=Outputs("linear", "depth", sky="sky", sky_above=0.3),
            focal_px=300.0,
            focal="mean",
            family="depth_anything_3",
            licence="as stated with the weights",
        ),
        {"depth": ("depth", "predicted_depth"), "sky": ("sky",)},
    ),
    Known(
        "MoGe-2",
        Processing(
            kind="metric",
            input=ImageInput("image", SizeRule(source=True), "linear", 1),
            outputs=Outputs(
                "linear", points="points", points_shift=True, scale="metric_scale", normals="normal", mask="mask"
            ),
            constants={"num_tokens": 1800},
            family="moge_2",
            licence="as stated with the weights",
        ),
        {"points": ("points",), "scale": ("metric_scale",), "mask": ("mask",), "normals": ("normal",)},
        optional=("normals",),
        inputs=("num_tokens",),
    ),
    Known(
        "UniDepthV2",
        Processing(
            kind="metric",
            input=ImageInput(
                "rgbs",
                SizeRule(fit=(630, 462)),
                "linear",
                1,
                Padding("centre", (123.675, 116.28, 103.53)),
                mean=_MEAN,
                std=_STD,
            ),
            outputs=Outputs(
                "linear", points="pts_3d", confidence="confidence", confidence_form="error", ignored=("intrinsics",)
            ),
            intrinsics=CameraInput("rays", "rays"),
            family="unidepth_v2",
            licence="CC-BY-NC-4.0",
        ),
        {"points": ("pts_3d",), "confidence": ("confidence",)},
        inputs=("rays",),
    ),
    Known(
        "Prompt Depth Anything",
        Processing(
            kind="metric",
            input=ImageInput(
                "image", SizeRule(longer_side=1008, multiple=14, rounding="down", only_shrink=True), "area", 1
            ),
            prompt=PromptInput("prompt_depth", SizeRule(longer_side=256), "metres"),
            outputs=Outputs("linear", "depth"),
            family="prompt_depth_anything",
            licence="as stated with the weights",
        ),
        {"depth": ("depth", "predicted_depth")},
        inputs=("prompt_depth", "prompt"),
        alone=True,
        undecided=("input.range",),
    ),
    Known(
        "Depth Anything V2, relative",
        Processing(
            kind="inverse_affine",
            input=ImageInput(
                "image", SizeRule(shorter_side=518, multiple=14, max_side=4144), "cubic", 1, mean=_MEAN, std=_STD
            ),
            outputs=Outputs("corners", "depth"),
            family="depth_anything_v2",
            licence="Apache-2.0 (small), CC-BY-NC-4.0 (base, large)",
        ),
        {"depth": ("depth", "predicted_depth")},
        alone=True,
        undecided=("kind",),
        remark="DPT, GLPN, ZoeDepth and any-view Depth Anything 3 are exported under these names too, with another "
        "size, mean and std",
    ),
)


def contract_for(graph: Graph) -> Contract:
    """A contract to begin with, for the names, sizes and dtype of this graph."""
    image = next((port for port in graph.inputs if _layout(port)), None)
    for known in KNOWN:
        processing = None if image is None else _as(known, graph, image)
        if processing is not None:
            return Contract(known.title, processing, known.undecided, known.remark)
    outputs = tuple(port.name for port in graph.outputs)
    name = image.name if image else graph.inputs[0].name
    processing = Processing(
        "metric", ImageInput(name, SizeRule(source=True), "linear", 1), Outputs("linear", outputs[0])
    )
    undecided = ["kind", "input.resample", "input.range"] + ["outputs.depth"] * (len(outputs) > 1)
    return Contract("", processing if image is None else _sized(processing, image), tuple(undecided))


def _as(known: Known, graph: Graph, image: Port) -> Processing | None:
    """The contract of a known export with the names of the graph; None where the graph is none of it."""
    there = [port.name for port in graph.outputs]
    found: dict[str, Any] = {
        key: next((name for name in names if name in there), "") for key, names in known.outputs.items()
    }
    ports = {port.name: port for port in graph.inputs if port is not image}
    further = list(ports)
    missing = [key for key, name in found.items() if not name and key not in known.optional]
    if missing or not set(further) <= set(known.inputs) or (known.alone and len(there) > 1):
        return None
    prompt = known.processing.prompt
    if prompt is not None:
        if len(further) != 1:
            return None
        sides = (ports[further[0]].shape or ("?",))[:-3:-1]
        fixed = tuple(side for side in sides if isinstance(side, int))
        prompt = replace(prompt, name=further[0], size=SizeRule(fixed=fixed) if len(fixed) == 2 else prompt.size)
    ignored = tuple(name for name in there if name not in found.values())
    processing = replace(
        known.processing,
        input=replace(known.processing.input, name=image.name),
        outputs=replace(known.processing.outputs, **found, ignored=ignored),
        prompt=prompt,
        constants={name: value for name, value in known.processing.constants.items() if name in further},
    )
    if known.processing.intrinsics is not None and known.processing.intrinsics.name not in further:
        processing = replace(processing, intrinsics=None)
    return _sized(processing, image)


def _sized(processing: Processing, image: Port) -> Processing:
    """With the layout, the dtype and, where they are fixed, the sides of the graph's input."""
    layout, shape = _layout(image), image.shape or ()
    width, height = (shape[axis] for axis in _SIDES[layout])
    size = processing.input.size
    if isinstance(width, int) and isinstance(height, int):
        fixed = SizeRule(fixed=(width, height), two_steps=size.two_steps)
        size = replace(size, fit=(width, height)) if size.fit else fixed
    return replace(processing, input=replace(processing.input, layout=layout, dtype=image.dtype, size=size))


_SIDES = {"nchw": (3, 2), "nhwc": (2, 1), "n1chw": (4, 3), "chw": (2, 1), "hwc": (1, 0)}
"""The axes of width and height."""


def _layout(port: Port) -> str:
    """How a picture of 3 channels lies in an input, "" where it is none."""
    shape = port.shape or ()
    first = {5: ("n1chw", 2), 4: ("nchw", 1), 3: ("chw", 0)}.get(len(shape))
    last = {4: "nhwc", 3: "hwc"}.get(len(shape), "")
    if port.dtype not in ("float32", "float16", "float64", "uint8") or first is None:
        return ""
    if shape[first[1]] == 3:
        return first[0]
    return last if shape[-1] == 3 else ""
