# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mono_depth_ros.config import strict_yaml
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.families import metric3d_v2, prompt_depth_anything
from mono_depth_ros.models.families.depth_anything_v2 import RELATIVE, processing_of
from mono_depth_ros.models.families.onnx import spec_of
from mono_depth_ros.models.processing import (
    CameraInput,
    ImageInput,
    Outputs,
    Padding,
    Processing,
    PromptInput,
    SizeRule,
)
from mono_depth_ros.prediction import DepthKind

CLASSES = (Processing, ImageInput, SizeRule, Padding, CameraInput, PromptInput, Outputs)
GOOD = {
    "kind": "metric",
    "input": {"name": "x", "size": {"fixed": [8, 6]}, "resample": "linear", "range": 1},
    "outputs": {"depth": "y", "resize": "linear"},
}
FULL = Processing(
    kind="canonical",
    focal_px=1000.0,
    focal="mean",
    family="f",
    licence="none stated",
    input=ImageInput(
        name="x",
        size=SizeRule(fit=(1064, 616), rounding="down"),
        pad=Padding("centre", (124.0, 116.0, 104.0)),
        resample="cubic",
        antialias=True,
        resample_dtype="uint8",
        channels="bgr",
        layout="nhwc",
        dtype="float16",
        range=255,
        mean=(1.0, 2.0, 3.0),
        std=(4.0, 5.0, 6.0),
    ),
    intrinsics=CameraInput("K", "matrix"),
    constants={"tokens": 1800},
    outputs=Outputs(
        depth="d",
        scale="s",
        normals="n",
        normals_signs=(1, -1, -1),
        confidence="c",
        sky="sky",
        sky_above=0.3,
        mask="m",
        mask_above=0.2,
        range_m=(0.1, 300.0),
        resize="corners",
        ignored=("a", "b"),
    ),
)


def changed(*path: str, **values: Any) -> dict[str, Any]:
    """GOOD with values in the mapping at `path`; None takes a key away."""
    content: dict[str, Any] = yaml.safe_load(yaml.safe_dump(GOOD))
    target = content
    for key in path:
        target = target.setdefault(key, {})
    target.update(values)
    for key in [key for key, value in values.items() if value is None]:
        del target[key]
    return content


def refusal(content: object) -> str:
    with pytest.raises(ModelError) as error:
        Processing.parse(content, "m.yaml")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    for contract in (FULL, Processing.parse(GOOD, "m.yaml")):
        contract.write(tmp_path / "m.yaml")
        assert Processing.read(tmp_path / "m.yaml") == contract
    assert yaml.safe_load(contract.dump()) == GOOD  # defaults are left out


def test_every_field_is_documented() -> None:
    for cls in CLASSES:
        for item in fields(cls):
            assert item.metadata["doc"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (changed(kidn="metric"), "m.yaml: 'kidn' is not known, did you mean 'kind'?"),
        (changed("input", nam="x"), "m.yaml: 'input': 'nam' is not known, did you mean 'name'?"),
        (
            changed("input", "size", shorter_sid=3),
            "m.yaml: 'input': 'size': 'shorter_sid' is not known, did you mean 'shorter_side'?",
        ),
        (changed(zzz=1), "m.yaml: 'zzz' is not known, expected one of: kind, input, outputs, focal_px"),
        (changed(kind=None), "m.yaml lacks 'kind', expected one of: metric, canonical, log_metric"),
        (changed("outputs", resize=None), "m.yaml: 'outputs' lacks 'resize', expected one of: linear, corners, cubic"),
        (changed("input", name=None), "m.yaml: 'input' lacks 'name', expected a text"),
        (changed(kind="metrik"), "m.yaml: 'kind' is 'metrik', expected one of: metric, canonical"),
        (changed("input", name=7), "m.yaml: 'input': 'name' is 7, expected a text"),
        (changed("input", name=""), "m.yaml: 'input': 'name' is '', expected a text"),
        (changed("input", range=2), "m.yaml: 'input': 'range' is 2, expected one of: 1, 255"),
        (changed("input", range=True), "m.yaml: 'input': 'range' is True, expected one of: 1, 255"),
        (changed("input", antialias=1), "'antialias' is 1, expected true or false"),
        (changed("input", "size", multiple=1.5), "'multiple' is 1.5, expected a whole number, 1 px or more"),
        (changed("input", "size", multiple=0), "'multiple' is 0, expected a whole number, 1 px or more"),
        (changed("input", "size", fixed=[8]), "'fixed' is [8], expected a list of 2 whole numbers, 1 px or more"),
        (changed("input", "size", fixed=8), "'fixed' is 8, expected a list of 2 whole numbers"),
        (changed("input", std=[1, 1, 0]), "'std' is [1, 1, 0], expected a list of 3 numbers from 1e-06 to 255"),
        (changed("input", mean=[1, 1, float("nan")]), "'mean' is [1, 1, nan], expected a list of 3 numbers"),
        (changed("outputs", ignored="a"), "'ignored' is 'a', expected a list of names"),
        (changed("outputs", normals_signs=[1, 1, 2]), "expected a list of 3 whole numbers, each -1 or 1"),
        (changed(focal_px="1e3"), "'focal_px' is '1e3', expected a number, 0.001 px or more (YAML wants a dot before"),
        (changed(constants={"n": "many"}), "'constants' is {'n': 'many'}, expected names with a number each"),
        (changed(input=None), "m.yaml lacks 'input', expected the keys name, size, resample"),
        ({**GOOD, "input": "image"}, "m.yaml: 'input' holds 'image', expected keys: name, size"),
        ({**GOOD, "intrinsics": None}, "m.yaml: 'intrinsics' holds nothing, expected keys: name, form"),
        (None, "m.yaml holds nothing, expected keys: kind, input"),
        ([1], "m.yaml holds [1], expected keys: kind, input"),
    ],
)
def test_strict(content: object, expected: str) -> None:
    assert expected in refusal(content)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            changed("input", size={}),
            "m.yaml, input, size gives no size, expected one of: fixed, shorter_side, longer_side",
        ),
        (changed("input", "size", shorter_side=5), "gives fixed and shorter_side, expected one of: fixed"),
        (changed("input", "size", multiple=14), "'multiple' goes with sizes that change, fixed [8, 6] has its own"),
        (changed("input", pad={"where": "centre"}), "has a pad, expected none with size rule fixed"),
        (changed("input", size={"fit": [8, 6]}), "has no pad, expected it with size rule fit"),
        (changed("input", antialias=True, resample="area"), "area is a mean already, expected antialias with other"),
        (changed("input", resample="lanczos"), "resample is lanczos without antialias, expected antialias: true"),
        (
            changed("input", size={"source": True, "two_steps": True}),
            "'two_steps' goes with a 'multiple' or with fixed, found none",
        ),
        (changed("outputs", factor=0), "gives factor 0 and offset 0, expected a factor other than 0"),
        (changed("outputs", confidence_form="error"), "gives confidence_form without confidence, expected confidence"),
        (
            changed("outputs", confidence="c", confidence_form="error", confidence_clamp=True),
            "gives confidence_form with confidence_clamp",
        ),
        (
            changed(intrinsics={"name": "k", "form": "rays", "pixel_centres": "halves"}),
            "m.yaml, intrinsics: pixel_centres goes with a form that has a principal point, found rays",
        ),
        (changed("input", dtype="uint8"), "dtype uint8 takes grey levels, expected range 255 without mean and std"),
        (changed("input", dtype="uint8", range=255, mean=[1, 1, 1]), "expected range 255 without mean and std"),
        (changed("outputs", depth=None), "m.yaml, outputs gives neither, expected either depth or points"),
        (changed("outputs", points="p"), "m.yaml, outputs gives both, expected either depth or points"),
        (changed("outputs", normals="y"), "m.yaml, outputs names y twice, expected every output once"),
        (changed("outputs", ignored=["y"]), "m.yaml, outputs names y twice, expected every output once"),
        (changed("outputs", sky="s"), "gives sky with no threshold, expected sky with one of sky_above and sky_below"),
        (changed("outputs", sky="s", sky_above=1, sky_below=0), "gives sky with sky_above and sky_below, expected"),
        (changed("outputs", sky_above=1), "gives no sky with sky_above, expected"),
        (changed("outputs", points_shift=True), "points_shift goes with points, found depth"),
        (changed("outputs", shift_by="camera"), "shift_by goes with points_shift, found none"),
        (changed("outputs", range_m=[5, 5]), "range_m is [5.0, 5.0], expected [nearest, farthest] of a metric kind"),
        (
            changed("outputs", range_m=[1, 5]) | {"kind": "inverse_affine"},
            "range_m is [1.0, 5.0] with a relative kind",
        ),
        (
            changed(kind="canonical"),
            "m.yaml gives kind canonical without focal_px, expected focal_px with the canonical",
        ),
        (changed(focal_px=500), "m.yaml gives kind metric with focal_px, expected focal_px with the canonical"),
        (
            changed("outputs", depth=None, points="p") | {"kind": "inverse_metric"},
            "gives points with kind inverse_metric",
        ),
        (changed(constants={"x": 1}), "m.yaml names an input twice (x, x), expected each once"),
    ],
)
def test_contradictions(content: object, expected: str) -> None:
    assert expected in refusal(content)


def test_files_that_are_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    for text, expected in (
        ("kind: [", "is not YAML"),
        ("kind: metric\nkind: canonical\n", "is not YAML: 'kind' is given twice"),
        ("input: {name: a, name: b}\n", "is not YAML: 'name' is given twice"),
        ("\x00", "is not YAML"),
    ):
        path.write_text(text)
        with pytest.raises(ModelError, match=f"contract file {path} {expected}"):
            Processing.read(path)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ModelError, match="is not YAML"):
        Processing.read(path)
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        Processing.read(tmp_path / "none.yaml")


def test_the_contract_of_our_own_export() -> None:
    entry = CATALOGUE["depth_anything_v2_metric_outdoor_base"]
    original = ModelSpec.of(entry)
    contract = replace(processing_of(80.0), family=original.family, licence=original.licence)
    spec = spec_of(contract, original.name)
    kept = (spec.name, spec.family, spec.kind, spec.licence, spec.max_depth_m, spec.needs_camera)
    assert kept == (original.name, original.family, original.kind, original.licence, original.max_depth_m, False)
    assert RELATIVE.depth_kind is DepthKind.INVERSE_AFFINE


def examples(repository: Path) -> dict[str, Processing]:
    """The contracts in docs/onnx_models.md, by their heading."""
    text = (repository / "docs" / "onnx_models.md").read_text(encoding="utf-8")
    found = re.findall(r"^### (.+?)$.*?^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return {name: Processing.parse(yaml.safe_load(body), name) for name, body in found}


def test_the_documentation_has_every_field(repository: Path) -> None:
    text = (repository / "docs" / "onnx_models.md").read_text(encoding="utf-8")
    for cls in CLASSES:
        assert strict_yaml.table(cls) in text, f"{cls.__name__}: paste `strict_yaml.table` into docs/onnx_models.md"


def test_the_contracts_in_the_documentation(repository: Path) -> None:
    found = examples(repository)
    metric = found["Metric3D v2"]
    assert (metric.kind, metric.focal_px, metric.focal) == ("canonical", 1000, "fx")
    assert metric.input.size == metric3d_v2.PROCESSING.input.size
    assert (metric.input.range, metric.input.mean, metric.input.std) == (255, (0, 0, 0), (1, 1, 1))
    indoor = replace(processing_of(20.0), family="depth_anything_v2", licence="Apache-2.0")
    assert found["Depth Anything V2, metric indoor"] == indoor
    relative = found["Depth Anything V2, relative"]
    assert relative.input == RELATIVE.input
    assert relative.depth_kind is DepthKind.INVERSE_AFFINE
    third = found["Depth Anything 3, metric"]
    assert (third.kind, third.focal_px, third.focal) == ("canonical", 300, "mean")
    assert third.input.size == SizeRule(longer_side=504, multiple=14, rounding="half_up", two_steps=True)
    assert (third.outputs.sky, third.outputs.sky_above) == ("sky", 0.3)
    unidepth = found["UniDepthV2"]
    assert unidepth.intrinsics.form == "rays" and unidepth.outputs.confidence_form == "error"
    moge = found["MoGe-2"]
    assert moge.outputs.points_shift and moge.outputs.scale == "metric_scale"
    assert moge.input_names == ("image", "num_tokens")
    prompted = found["Prompt Depth Anything"]
    assert prompted.input.size == prompt_depth_anything.PROCESSING.input.size
    assert prompted.prompt == PromptInput("prompt_depth", SizeRule(longer_side=256), "metres")
    assert spec_of(prompted, "m").needs_prompt
