# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that are not what they should be: one sentence with what was found and what was expected."""

from __future__ import annotations

import builtins
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from by_transformers import CPU, pattern_image, predict
from safetensors.torch import load_file, save_file

from mono_depth_ros.cache import sha256
from mono_depth_ros.errors import ImageError, ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.families.transformers_models import DepthOnly
from mono_depth_ros.models.loading import family_of, loader
from mono_depth_ros.models.runtime.engine import Network
from mono_depth_ros.models.runtime.graph import content_hash
from mono_depth_ros.models.weights.known import parameters_in
from mono_depth_ros.prediction import DepthKind

FAMILIES = ["zoedepth", "dpt", "glpn", "depth_pro"]
BINS = [{"name": "nyu", "n_bins": 16, "min_depth": 1e-3, "max_depth": 10.0}]


def load(directory: Path, name: str = "") -> Any:
    """By path, or as if it had come from the hub under the catalogue's `name`; small ones have other digests."""
    entry = replace(CATALOGUE[name], files={}, parameters_m=parameters_in(directory) / 1e6) if name else None
    return loader(family_of(directory))(directory, CPU, entry)


@pytest.mark.parametrize("name", ["dpt_large", "dpt_hybrid", "glpn_nyu", "glpn_kitti"])
def test_a_small_network_is_none_of_the_catalogue(checkpoint, name: str) -> None:
    """Of these no SHA-256 is known: their number of weights has to be right."""
    how = {"hybrid": True} if name == "dpt_hybrid" else {"max_depth": 80} if name == "glpn_kitti" else {}
    directory = checkpoint(name.partition("_")[0], **how)
    expected = rf"^{name}: .* million weights, expected about {CATALOGUE[name].parameters_m:g} million"
    with pytest.raises(ModelError, match=expected):
        loader(family_of(directory))(directory, CPU, CATALOGUE[name])


@pytest.mark.parametrize(
    ("name", "checked"),
    [
        ("tiny", "shipped"),
        ("depth_anything_v2_small", "SHA-256"),
        ("depth_anything_v2_base", "commit, shapes"),
        ("dpt_large", "number"),
        ("depth_pro", "commit, number"),
        ("metric3d_v2_large", "SHA-256"),
        ("metric3d_v2_giant", "commit, shapes"),
    ],
)
def test_the_catalogue_says_what_it_checks(name: str, checked: str) -> None:
    assert CATALOGUE[name].checked == checked


@pytest.mark.parametrize("family", FAMILIES)
def test_the_file_says_the_family(checkpoint, family: str) -> None:
    assert family_of(checkpoint(family)) == family


@pytest.mark.parametrize(
    ("family", "how", "name", "found", "expected"),
    [
        ("zoedepth", {"heads": ("kitti",)}, "zoedepth_nyu", "metric up to 80 m", "metric up to 10 m"),
        ("zoedepth", {"heads": ("nyu",)}, "zoedepth_kitti", "metric up to 10 m", "metric up to 80 m"),
        ("zoedepth", {"heads": ("nyu", "kitti")}, "zoedepth_nyu", "metric without a bound", "metric up to 10 m"),
        ("glpn", {"max_depth": 80}, "glpn_nyu", "metric up to 80 m", "metric up to 10 m"),
        ("dpt", {"hybrid": True}, "dpt_large", "dpt_hybrid", "dpt_large"),
        ("dpt", {}, "dpt_hybrid", "dpt_large", "dpt_hybrid"),
    ],
)
def test_another_variant(checkpoint, family: str, how: dict, name: str, found: str, expected: str) -> None:
    with pytest.raises(ModelError, match=rf"^{name}: .*config.json is {found}.* expected {expected}"):
        load(checkpoint(family, **how), name)


def test_relative_for_metric_and_the_reverse(checkpoint) -> None:
    with pytest.raises(ModelError, match="model_type 'dpt', expected 'glpn'"):
        loader("glpn")(checkpoint("dpt"), CPU, CATALOGUE["glpn_nyu"])
    with pytest.raises(ModelError, match="model_type 'zoedepth', expected 'dpt'"):
        loader("dpt")(checkpoint("zoedepth"), CPU, CATALOGUE["dpt_large"])


@pytest.mark.parametrize(
    ("family", "how", "name"),
    [
        ("zoedepth", {"heads": ("nyu",)}, "zoedepth_nyu"),
        ("zoedepth", {"heads": ("kitti",)}, "zoedepth_kitti"),
        ("zoedepth", {"heads": ("nyu", "kitti")}, "zoedepth_nyu_kitti"),
        ("dpt", {}, "dpt_large"),
        ("dpt", {"hybrid": True}, "dpt_hybrid"),
        ("glpn", {}, "glpn_nyu"),
        ("glpn", {"max_depth": 80}, "glpn_kitti"),
        ("depth_pro", {}, "depth_pro"),
    ],
)
def test_what_was_expected_is_taken(checkpoint, family: str, how: dict, name: str) -> None:
    assert load(checkpoint(family, **how), name).spec == ModelSpec.of(CATALOGUE[name])


def test_the_published_kitti_files_are_put_right(checkpoint, broken, caplog) -> None:
    """They say 10 m where the authors train and test with 80: depth is 8 times that of `transformers`."""
    zoedepth = broken("zoedepth", {"bin_configurations": BINS}, heads=("kitti",))
    # The normed bins go from min_depth to max_depth, so 1 mm stays.
    for directory, name, offset in ((zoedepth, "zoedepth_kitti", 1e-3), (checkpoint("glpn"), "glpn_kitti", 0.0)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            right, as_it_is = load(directory, name), load(directory)
        assert "says" in caplog.text and "10" in caplog.text and "80 m" in caplog.text
        assert (right.spec.max_depth_m, as_it_is.spec.max_depth_m) == (80, 10)
        image = pattern_image(160, 120)
        found, stated = predict(right, image)[0] - offset, predict(as_it_is, image)[0] - offset
        factor = 8 if name == "glpn_kitti" else (80 - 1e-3) / (10 - 1e-3)
        torch.testing.assert_close(found, factor * stated, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_damaged_weights(broken, family: str) -> None:
    path = broken(family) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="weights cannot be loaded, expected whole safetensors"):
        load(path.parent)


@pytest.mark.parametrize("family", FAMILIES)
def test_pickled_weights_only(checkpoint, broken, family: str) -> None:
    """Of pytorch_model.bin tensors are read, alone: the model is the same; what is no file of torch.save is refused."""
    path = broken(family) / "model.safetensors"
    pickle = path.with_name("pytorch_model.bin")
    torch.save(load_file(path), pickle)
    path.unlink()
    image = pattern_image(96, 64)
    found, expected = (predict(load(directory), image)[0] for directory in (path.parent, checkpoint(family)))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    pickle.write_bytes(b"pickle" * 9)
    with pytest.raises(ModelError, match=r"pytorch_model\.bin is no file of torch\.save, expected weights alone"):
        load(path.parent)


def test_a_pointer_instead_of_weights(broken) -> None:
    path = broken("glpn") / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(ModelError, match="Git LFS pointer"):
        load(path.parent)


@pytest.mark.parametrize("family", FAMILIES)
def test_missing_unexpected_and_misshapen_weights(broken, family: str) -> None:
    path = broken(family) / "model.safetensors"
    weights = load_file(path)
    name = max(name for name in weights if name.endswith("weight") and "head" in name and "fov" not in name)
    save_file({key: value for key, value in weights.items() if key != name}, path, {"format": "pt"})
    with pytest.raises(ModelError, match=r"1 missing weights \("):
        load(path.parent)
    save_file({**weights, "head.tail": torch.zeros(3)}, path, {"format": "pt"})
    with pytest.raises(ModelError, match=r"1 unexpected weights \(head.tail\)"):
        load(path.parent)
    save_file({**weights, name: torch.zeros(1, 2, 3)}, path, {"format": "pt"})
    with pytest.raises(ModelError, match=r"another shape: .* is \(1, 2, 3\), expected"):
        load(path.parent)


def test_weights_that_are_not_finite(broken) -> None:
    path = broken("glpn") / "model.safetensors"
    weights = load_file(path)
    weights["head.head.2.bias"][0] = torch.nan
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(ModelError, match=r"1 of 1 numbers of head.head.2.bias are not finite"):
        load(path.parent)


@pytest.mark.parametrize(("family", "name"), [("zoedepth", "zoedepth_nyu"), ("glpn", "glpn_nyu"), ("dpt", "dpt_large")])
def test_tampered_with(checkpoint, family: str, name: str) -> None:
    entry = replace(CATALOGUE[name], files={"model.safetensors": "0" * 64})
    with pytest.raises(ModelError, match=r"has the SHA-256 \w+, expected 0+: damaged or changed"):
        loader(family)(checkpoint(family), CPU, entry)


def test_published_kitti_is_known_by_its_digest(broken, monkeypatch) -> None:
    directory = broken("zoedepth", {"bin_configurations": BINS}, heads=("kitti",))
    entry = replace(CATALOGUE["zoedepth_kitti"], files={"model.safetensors": sha256(directory / "model.safetensors")})
    assert load(directory).spec.max_depth_m == 10
    monkeypatch.setitem(CATALOGUE, "zoedepth_kitti", entry)
    assert load(directory).spec.max_depth_m == 80


def test_settings_make_another_graph() -> None:
    """Engines keep exported graphs by a hash of the network: the largest depth of GLPN is not among its weights."""
    networks = [DepthOnly(torch.nn.Identity(), {"max_depth": value}) for value in (10, 80)]
    examples = [(torch.zeros(1, 3, 4, 4),)] * 2
    hashes = {content_hash(Network("glpn", one, ("pixels",), ("depth",), ({},)), examples) for one in networks}
    assert len(hashes) == 2


@pytest.mark.parametrize("family", ["zoedepth", "dpt", "depth_pro"])
def test_weights_that_are_never_used_may_be_missing(checkpoint, broken, family: str) -> None:
    """Intel/dpt-large was published without them."""
    path = broken(family) / "model.safetensors"
    weights = load_file(path)
    kept = {name: value for name, value in weights.items() if "fusion" not in name or ".0.residual_layer1" not in name}
    assert len(kept) < len(weights)
    save_file(kept, path, {"format": "pt"})
    image = pattern_image(64, 48)
    found, again, whole = (load(directory) for directory in (path.parent, path.parent, checkpoint(family)))
    assert torch.equal(predict(found, image)[0], predict(whole, image)[0])
    assert torch.equal(predict(found, image)[0], predict(again, image)[0])


def test_known_leftovers_are_taken(broken) -> None:
    path = broken("dpt") / "model.safetensors"
    save_file({**load_file(path), "dpt.pooler.dense.bias": torch.zeros(3)}, path, {"format": "pt"})
    load(path.parent)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("where", ["config", "processor"])
def test_code_in_a_checkpoint(broken, family: str, where: str) -> None:
    with pytest.raises(ModelError, match="names code of its own"):
        load(broken(family, **{where: {"auto_map": {"AutoConfig": "evil.Config"}}}))


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("glpn", {"max_depth": -1}, "max_depth -1, expected metres"),
        ("glpn", {"max_depth": 10.5}, "max_depth 10.5, expected whole metres"),
        ("zoedepth", {"bin_configurations": [{"name": "nyu"}]}, "max_depth None, expected metres"),
        ("zoedepth", {"bin_configurations": BINS * 3}, "expected one or two"),
        ("zoedepth", {"bin_centers_type": "hybrid1"}, "'hybrid1', expected 'softplus' or 'normed'"),
        ("zoedepth", {"backbone_config": {"model_type": "swinv2"}}, "expected one of model_type 'beit'"),
        ("dpt", {"backbone_config": {"model_type": "dinov2"}}, "does not say whether it gives metres or inverse depth"),
        ("dpt", {"backbone": "resnet50"}, "takes its backbone from elsewhere"),
        ("dpt", {"architectures": ["DPTForSemanticSegmentation"]}, "expected 'DPTForDepthEstimation'"),
    ],
)
def test_bad_configs(broken, family: str, changes: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(broken(family, changes))


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("dpt", {"size": {"height": 384, "width": 512}}, "size 512x384.*expected a square"),
        ("dpt", {"keep_aspect_ratio": True}, "keep_aspect_ratio True.*expected a square"),
        ("dpt", {"resample": 1}, r"resample = 1, expected 2 \(bilinear\) or 3"),
        ("dpt", {"do_pad": True}, "asks for do_pad = True, which is not done here"),
        ("dpt", {"do_center_crop": True}, "asks for do_center_crop = True, which is not done here"),
        ("dpt", {"do_resize": False}, "do_resize = False, expected true"),
        ("dpt", {"size": {"shortest_edge": 384}}, "size = .*expected a number or height and width"),
        ("dpt", {"image_std": [0.5, 0.5]}, "image_std = .*expected a number or three"),
        ("dpt", {"image_std": 0}, "image_std = 0, expected positive"),
        ("glpn", {"size_divisor": 24}, "size_divisor 24, expected a multiple of 32"),
        ("depth_pro", {"size": 1024}, r"\(1024, 1024\), expected 256x256 for patches of 64"),
        ("zoedepth", {"rescale_factor": "1/255"}, "rescale_factor = '1/255', expected a positive number"),
        ("zoedepth", {"do_flip": True}, "asks for do_flip = True"),
    ],
)
def test_processing_that_is_not_done(broken, family: str, changes: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(broken(family, processor=changes))


def test_damaged_files(broken) -> None:
    directory = broken("glpn")
    (directory / "preprocessor_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"preprocessor_config.json cannot be read as JSON"):
        load(directory)
    (directory / "config.json").write_text("[]")
    with pytest.raises(ModelError, match="holds list, expected a JSON object"):
        loader("glpn")(directory, CPU, None)
    (directory / "config.json").unlink()
    with pytest.raises(ModelError, match=r"holds model.safetensors, preprocessor_config.json, expected config.json"):
        loader("glpn")(directory, CPU, None)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_transformers(checkpoint, monkeypatch, family: str) -> None:
    real_import = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "transformers":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModelError, match=r"pip install transformers$"):
        load(checkpoint(family))


@pytest.mark.parametrize(("family", "size"), [("glpn", (64, 31)), ("zoedepth", (4, 4)), ("zoedepth", (4000, 300))])
def test_images_of_impossible_shape(checkpoint, family: str, size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=rf"{size[0]}x{size[1]}.*expected") as error:
        predict(load(checkpoint(family)), pattern_image(*size))
    assert error.value.reason == "image_shape"


def test_loading_leaves_transformers_as_it_was(checkpoint) -> None:
    from transformers.utils import logging as log

    before = (log.get_verbosity(), log.is_progress_bar_enabled())
    model = load(checkpoint("dpt"))
    assert (log.get_verbosity(), log.is_progress_bar_enabled()) == before
    assert model.spec.kind is DepthKind.INVERSE_AFFINE
