# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models inspect`: well-known exports are recognised by names and shapes, and their contract fits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.families.onnx_graph import check_fit, read_graph
from mono_depth_ros.models.families.onnx_known import KNOWN
from mono_depth_ros.models.processing import Processing
from mono_depth_ros.tools import cli

Save = Callable[[str, str], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """`save(reads, gives)`: an ONNX file with these inputs and outputs, which nobody runs."""
    onnx = pytest.importorskip("onnx")
    from onnx import parser

    def make(reads: str, gives: str) -> Path:
        names = re.findall(r"(\w+)(?:,|$)", re.sub(r"\[.*?\]", "", gives))
        body = " ".join(f"{name} = Identity({reads.split()[-1]})" for name in names)
        text = f'<ir_version: 8, opset_import: ["" : 17]> net ({reads}) => ({gives}) {{ {body} }}'
        path = tmp_path / "model.onnx"
        onnx.save(parser.parse_model(text), path)
        return path

    return make


def inspected(path: Path, capsys) -> dict:
    assert cli.main(["models", "inspect", str(path), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


PLANE, DAV2, M3D, DA3 = "float[N, 1, H, W]", "Depth Anything V2, relative", "Metric3D v2", "Depth Anything 3, metric"
EXPORTS = {
    "Metric3D v2": (
        "float[N, 3, H, W] pixel_values",
        f"{PLANE} predicted_depth, float[N, 3, H, W] predicted_normal, {PLANE} normal_confidence",
    ),
    "Depth Anything 3, metric": ("float[N, 1, 3, H, W] pixel_values", f"{PLANE} depth, {PLANE} sky"),
    "MoGe-2": (
        "float[N, 3, H, W] image, int64 num_tokens",
        "float[N, H, W, 3] points, float[N, H, W, 3] normal, float[N, H, W] mask, float[N] metric_scale",
    ),
    "UniDepthV2": (
        "float[N, 3, 462, 630] rgbs, float[N, 3, 462, 630] rays",
        "float[N, 3, 462, 630] pts_3d, float[N, 1, 462, 630] confidence, float[N, 3, 3] intrinsics",
    ),
    "Depth Anything V2, relative": ("float[N, 3, H, W] image", "float[N, H, W] depth"),
    "Prompt Depth Anything": ("float[N, 3, H, W] image, float[N, 1, h, w] prompt_depth", f"{PLANE} depth"),
}


@pytest.mark.parametrize("title", EXPORTS)
def test_well_known_exports(save: Save, capsys, documented, repository: Path, title: str) -> None:
    """The contract is that of the documentation, and fits the graph."""
    path = save(*EXPORTS[title])
    found = inspected(path, capsys)
    documented("models inspect", found)
    assert found["looks_like"] == title
    contract = yaml.safe_load(found["contract"])
    if found["undecided"]:
        assert found["undecided"] in (["kind"], ["input.range"])
        decided = {"kind": (contract, "inverse_affine"), "input.range": (contract["input"], 1)}
        where, value = decided[found["undecided"][0]]
        key = found["undecided"][0].rpartition(".")[2]
        assert key not in where
        where[key] = value
    processing = Processing.parse(contract, "contract")
    check_fit(read_graph(path), processing)
    text = (repository / "docs" / "onnx_models.md").read_text(encoding="utf-8")
    body = re.search(rf"^### {re.escape(title)}$.*?^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1]
    assert processing == Processing.parse(yaml.safe_load(body), title)


def test_every_known_export_is_tried() -> None:
    assert {known.title for known in KNOWN} == set(EXPORTS)


@pytest.mark.parametrize(
    ("reads", "gives", "title", "size"),
    [
        ("float[1, 3, 518, 686] pixel_values", "float[1, 518, 686] predicted_depth", DAV2, {"fixed": [686, 518]}),
        ("float16[1, 3, 616, 1064] image", f"{PLANE} pred_depth, {PLANE} pred_normal", M3D, {"fit": [1064, 616]}),
        ("float[1, 3, 462, 630] rgbs", f"{PLANE} pts_3d, {PLANE} confidence", "UniDepthV2", {"fit": [630, 462]}),
        # Of the exporters of Metric3D, UniDepthV2 without a camera, and ros2-depth-anything-v3-trt.
        ("float[1, 3, 616, 1064] image", f"{PLANE} pred_depth", M3D, {"fit": [1064, 616]}),
        (
            "float[N, 3, 462, 630] rgbs",
            f"{PLANE} pts_3d, {PLANE} confidence, float[N, 3, 3] intrinsics",
            "UniDepthV2",
            {"fit": [630, 462]},
        ),
        (
            "float[1, 3, 280, 504] image",
            "float[1, 1, 280, 504] depth, float[1, 1, 280, 504] sky",
            DA3,
            {"fixed": [504, 280], "two_steps": True},
        ),
        ("uint8[H, W, 3] photo", "float[H, W] out", "", {"source": True}),
        ("float[1, 3, 256, 320] x", f"{PLANE} a, {PLANE} b", "", {"fixed": [320, 256]}),
        ("float[1, 3, 256, 320] image, float[1] focal", f"{PLANE} depth", "", {"fixed": [320, 256]}),
    ],
)
def test_names_sizes_and_dtypes_are_those_of_the_file(save: Save, capsys, reads, gives, title, size) -> None:
    found = inspected(save(reads, gives), capsys)
    contract = yaml.safe_load(found["contract"])
    assert found["looks_like"] == title
    got = contract["input"]["size"]
    assert {key: got[key] for key in size} == size
    assert contract["input"]["name"] == re.search(r"\] (\w+)", reads)[1]
    assert contract["input"].get("dtype", "float32") == reads.partition("[")[0].replace("float", "float32").replace(
        "float3216", "float16"
    )
    if not title:  # nothing is guessed of what is not known
        assert {"kind", "input.range"} <= set(found["undecided"]) and "kind" not in contract
        assert ("outputs.depth" in found["undecided"]) is (" b" in gives)


def test_it_is_written_once(save: Save, capsys) -> None:
    path = save(*EXPORTS["MoGe-2"])
    assert cli.main(["models", "inspect", str(path), "--write"]) == 0
    printed = capsys.readouterr()
    assert (
        "looks   like an export of MoGe-2" in printed.out and f"written to {path.with_suffix('.yaml')}" in printed.err
    )
    assert Processing.read(path.with_suffix(".yaml")).outputs.points_shift
    path.with_suffix(".yaml").write_text("mine")
    assert cli.main(["models", "inspect", str(path), "--write"]) != 0
    assert path.with_suffix(".yaml").read_text() == "mine"


@pytest.mark.parametrize("name", ["none.onnx", "weights.pth"])
def test_what_is_no_onnx_file(tmp_path: Path, capsys, name: str) -> None:
    (tmp_path / "weights.pth").write_bytes(b"")
    assert cli.main(["models", "inspect", str(tmp_path / name)]) != 0
    assert f"{name} is no .onnx file that is there" in capsys.readouterr().err


def test_an_undecided_contract_is_refused(save: Save, capsys) -> None:
    path = save(*EXPORTS["Depth Anything V2, relative"])
    assert cli.main(["models", "inspect", str(path), "--write"]) == 0
    assert "to be decided before it loads: kind" in capsys.readouterr().err
    with pytest.raises(ModelError, match="lacks 'kind'"):
        Processing.read(path.with_suffix(".yaml"))
