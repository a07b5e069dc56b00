# SPDX-License-Identifier: Apache-2.0
"""What the catalogue says, held to what is published of the models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec, find
from mono_depth_ros.models.catalogue import CATALOGUE, COMMITS, HUB_FILES, OFFICIAL_FILES
from mono_depth_ros.models.loading import FAMILIES
from mono_depth_ros.prediction import DepthKind

SIZES, SCENES = ("small", "base", "large"), ("indoor", "outdoor")
METRIC, RELATIVE = DepthKind.METRIC, DepthKind.INVERSE_AFFINE


def test_names_and_families() -> None:
    expected = {"tiny", *(f"depth_anything_v2_{size}" for size in SIZES), "depth_pro"}
    expected |= {f"depth_anything_v2_metric_{scene}_{size}" for scene in SCENES for size in SIZES}
    expected |= {"zoedepth_nyu", "zoedepth_kitti", "zoedepth_nyu_kitti", "glpn_nyu", "glpn_kitti"}
    expected |= {"dpt_large", "dpt_hybrid"}
    assert expected <= set(CATALOGUE)
    assert all(name == entry.name for name, entry in CATALOGUE.items())
    assert {entry.family for entry in CATALOGUE.values()} <= set(FAMILIES)
    assert ModelConfig().model in CATALOGUE


@pytest.mark.parametrize(
    ("name", "hub", "kind", "max_depth_m", "licence", "focal"),
    [
        ("tiny", "", METRIC, None, "Apache-2.0", True),
        ("depth_anything_v2_small", "depth-anything/Depth-Anything-V2-Small-hf", RELATIVE, None, "Apache-2.0", False),
        ("depth_anything_v2_large", "depth-anything/Depth-Anything-V2-Large-hf", RELATIVE, None, "CC-BY-NC-4.0", False),
        (
            "depth_anything_v2_metric_indoor_small",
            "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf",
            METRIC,
            20.0,
            "Apache-2.0",
            False,
        ),
        (
            "depth_anything_v2_metric_outdoor_base",
            "depth-anything/Depth-Anything-V2-Metric-Outdoor-Base-hf",
            METRIC,
            80.0,
            "CC-BY-NC-4.0",
            False,
        ),
        ("zoedepth_nyu_kitti", "Intel/zoedepth-nyu-kitti", METRIC, None, "MIT", False),
        ("dpt_hybrid", "Intel/dpt-hybrid-midas", RELATIVE, None, "Apache-2.0", False),
        ("glpn_kitti", "vinvino02/glpn-kitti", METRIC, 80.0, "Apache-2.0", False),
        ("depth_pro", "apple/DepthPro-hf", METRIC, None, "apple-amlr", True),
    ],
)
def test_entries(name: str, hub: str, kind: DepthKind, max_depth_m: float | None, licence: str, focal: bool) -> None:
    spec = ModelSpec.of(CATALOGUE[name])
    assert (spec.hub, spec.kind, spec.max_depth_m) == (hub, kind, max_depth_m)
    assert (spec.licence, spec.needs_camera) == (licence, focal)


def test_sizes_of_depth_anything() -> None:
    """MiB of the files are published: 99.2, 390 and 1341 MB; GFLOP are of 518x518."""
    found = {size: CATALOGUE[f"depth_anything_v2_metric_indoor_{size}"] for size in SIZES}
    assert [found[size].gflop for size in SIZES] == [115.0, 381.0, 1304.0]
    assert [round(found[size].megabytes) for size in SIZES] == [99, 390, 1341]
    assert all(entry.size == size for size, entry in found.items())


def test_official_files() -> None:
    names = {entry.official for entry in CATALOGUE.values() if entry.family == "depth_anything_v2"}
    trainings = ("", "metric_hypersim_", "metric_vkitti_")
    assert names == {
        f"depth_anything_v2_{training}{size}.pth" for training in trainings for size in ("vits", "vitb", "vitl")
    }
    assert CATALOGUE["depth_anything_v2_metric_outdoor_base"].official == "depth_anything_v2_metric_vkitti_vitb.pth"


def test_everything_that_is_known_of_files_is_used_and_well_formed() -> None:
    hubs = {entry.hub: entry for entry in CATALOGUE.values()}
    assert {*COMMITS, *HUB_FILES} <= set(hubs) and set(OFFICIAL_FILES) <= {
        entry.official for entry in CATALOGUE.values()
    }
    assert set(HUB_FILES) <= set(COMMITS), "a digest is of a file at a commit"
    assert all(
        re.fullmatch(r"[0-9a-f]{40}", commit) and hubs[hub].revision == commit for hub, commit in COMMITS.items()
    )
    digests = [value for entry in CATALOGUE.values() for value in entry.files.values()]
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in digests) and len(set(digests)) == len(digests)
    assert CATALOGUE["depth_anything_v2_small"].files == {
        "config.json": "c56698d3643dde1f83ea2212759e6b31a22b8f827246a36dd007ee8a22b3ff75",
        "model.safetensors": "3152477ce0d8d6978d76b995120de97cb5b928701fd0f817769f59e249a16b70",
        "depth_anything_v2_vits.pth": "715fade13be8f229f8a70cc02066f656f2423a59effd0579197bbf57860e1378",
    }


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("tinny", "tiny"),
        ("depth-anything-v2-small", "depth_anything_v2_small"),
        ("Depth_Anything_V2_Metric_Indoor", "depth_anything_v2_metric_indoor_small"),
        ("ZoeDepth-NYU", "zoedepth_nyu"),
    ],
)
def test_unknown_names_suggest_the_nearest(name: str, close: str) -> None:
    with pytest.raises(ModelError, match=f"'{name}' is not known; did you mean .*{close}.*one of: tiny, depth_any"):
        find(name)


@pytest.mark.parametrize("name", ["", "zzz", "a/b/c", "x" * 5000, "a\0b"])
def test_what_is_no_name_directory_or_hub_name_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"is not known.*one of: tiny"):
        find(name)


def test_paths_and_hub_names_are_not_of_the_catalogue(tmp_path: Path) -> None:
    assert find(str(tmp_path)) is None and find("someone/their-depth") is None


def test_a_hub_name_of_the_catalogue_is_that_entry() -> None:
    assert find("Intel/dpt-large") is CATALOGUE["dpt_large"]
    hubs = [entry.hub for entry in CATALOGUE.values() if entry.hub]
    alone = [entry for entry in CATALOGUE.values() if hubs.count(entry.hub) == 1]
    assert len(alone) >= 17 and all(find(entry.hub) is entry for entry in alone)


def test_a_hub_name_of_several_models_is_not_guessed() -> None:
    hubs = [entry.hub for entry in CATALOGUE.values() if entry.hub]
    for hub in {hub for hub in hubs if hubs.count(hub) > 1}:
        with pytest.raises(ModelError, match=f"{hub} holds several models, expected one of: "):
            find(hub)


def test_gflop_of_tiny() -> None:
    """Counted by torch at 256x192: the figure of the catalogue."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from mono_depth_ros.models.families.tiny import load_tiny

    network = load_tiny(None)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, 192, 256), torch.zeros(1, 2, 192, 256))
    entry = CATALOGUE["tiny"]
    assert counter.get_total_flops() / 1e9 == pytest.approx(entry.gflop, abs=0.01)
    assert sum(weight.numel() for weight in network.parameters()) / 1e6 == pytest.approx(entry.parameters_m, abs=0.01)


@pytest.mark.parametrize("name", ["gone.onnx", "weights/gone.pth", "/no/such/folder", "./gone", "../tiny", "~nobody/x"])
def test_a_path_that_leads_nowhere_is_told_as_such(name: str) -> None:
    with pytest.raises(ModelError, match="there is no such file or directory"):
        find(name)
