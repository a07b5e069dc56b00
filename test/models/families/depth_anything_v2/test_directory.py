# SPDX-License-Identifier: Apache-2.0
"""Directories in transformers' format that are not what they should be, and the names they use."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mono_depth_ros.cache import sha256
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.families.depth_anything_v2 import load, read, spec_of
from mono_depth_ros.models.families.depth_anything_weights import authors_names
from mono_depth_ros.prediction import DepthKind

METRIC = {"depth_estimation_type": "metric", "max_depth": 20}


def rewrite(directory: Path, change) -> None:
    """`change` the tensors of a directory, a dict, in place."""
    path = directory / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})


def test_what_the_checkpoint_says_is_the_spec(directories, fp32) -> None:
    relative, metric = (load(directories[kind], fp32).spec for kind in ("relative", "metric"))
    assert (relative.kind, relative.max_depth_m) == (DepthKind.INVERSE_AFFINE, None)
    assert (metric.kind, metric.max_depth_m) == (DepthKind.METRIC, 20.0)
    assert not metric.needs_camera and metric.licence == "not stated"
    assert relative.name == str(directories["relative"])


def test_transformers_is_not_needed(directories, fp32, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert load(directories["relative"], fp32).engine == "torch fp32"


@pytest.mark.parametrize("max_depth", [None, 1, 80])
def test_relative_output_ignores_max_depth(broken, max_depth: int | None) -> None:
    assert read(broken(max_depth=max_depth)).stated.max_depth_m is None


def test_max_depth_scales_metric_output(checkpoint, directories, pattern, predict, fp32) -> None:
    path = checkpoint(**METRIC) / "config.json"
    path.write_text(path.read_text().replace('"max_depth": 20', '"max_depth": 7.5'))
    model = load(path.parent, fp32)
    assert model.spec.max_depth_m == 7.5
    expected = predict(load(directories["metric"], fp32), pattern(128, 96)) * (7.5 / 20)
    torch.testing.assert_close(predict(model, pattern(128, 96)), expected)


@pytest.mark.parametrize("spelling", ["attention.attention", "proj"])
def test_old_and_new_names_of_transformers(broken, directories, spelling: str) -> None:
    """`attention.attention.query`, `attention.output.dense` until 4; `attention.q_proj`, `attention.o_proj` since 5."""

    def respell(weights: dict[str, torch.Tensor]) -> None:
        parts = {"query": "q_proj", "key": "k_proj", "value": "v_proj"}
        for name in [name for name in weights if ".attention." in name]:
            new = name
            for long, short in parts.items():
                old_name, new_name = f".attention.attention.{long}.", f".attention.{short}."
                new = new.replace(*((new_name, old_name) if spelling != "proj" else (old_name, new_name)))
            out = (".attention.o_proj.", ".attention.output.dense.")
            new = new.replace(*(out if spelling != "proj" else out[::-1]))
            weights[new] = weights.pop(name)
        assert any(spelling in name for name in weights)

    directory = broken()
    rewrite(directory, respell)
    expected = read(directories["relative"]).weights
    found = read(directory).weights
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_query_key_and_value_are_joined_in_this_order() -> None:
    names = [f"backbone.encoder.layer.3.attention.attention.{part}.bias" for part in ("value", "query", "key")]
    joined = authors_names({name: torch.full((1,), float(index)) for index, name in enumerate(names)})
    assert list(joined) == ["pretrained.blocks.3.attn.qkv.bias"]
    assert joined["pretrained.blocks.3.attn.qkv.bias"].tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "bert"}, "model_type 'bert', expected 'depth_anything'"),
        ({"backbone_config": {"model_type": "swin"}}, "'swin'.*expected a backbone_config of model_type 'dinov2'"),
        ({"backbone_config": None}, "backbone None, expected a backbone_config"),
        ({"backbone": "facebook/dinov2-small"}, "backbone 'facebook/dinov2-small', expected"),
        ({"depth_estimation_type": "log"}, "'log', expected 'relative' or 'metric'"),
        ({"depth_estimation_type": "metric", "max_depth": None}, "max_depth None, expected metres"),
        ({"depth_estimation_type": "metric", "max_depth": -20}, "max_depth -20, expected metres"),
        ({"depth_estimation_type": "metric", "max_depth": True}, "max_depth True, expected metres"),
        ({"neck_hidden_sizes": [16, 24, 40, 48]}, r"projects\.2\.weight is \(32, 48, 1, 1\), expected \(40, 48"),
        ({"fusion_hidden_size": "wide"}, "says fusion_hidden_size 'wide', expected a positive whole number"),
        ({"patch_size": 16}, "says patch_size 16, expected 14"),
        ({"reassemble_factors": [4, 2, 1, 1]}, r"says reassemble_factors \[4, 2, 1, 1\], expected \[4, 2, 1, 0.5\]"),
    ],
)
def test_configs_that_do_not_fit_are_refused(broken, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read(broken(**changes)).network()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_attention_heads": 5}, "hidden_size 48, 5 heads.*expected one hidden_size that the heads divide"),
        ({"num_attention_heads": "many"}, "says num_attention_heads 'many', expected a positive whole number"),
        ({"num_hidden_layers": 12}, "112 missing weights .*expected those of an encoder 48 wide and 12 deep"),
        ({"hidden_size": 384}, "hidden_size 384, 3 heads, reassemble_hidden_size 48, expected one"),
        ({"image_size": 224}, r"pos_embed is \(1, 1370, 48\), expected \(1, 257, 48\)"),
        ({"use_swiglu_ffn": True}, "says use_swiglu_ffn True, expected False"),
        (
            {"out_indices": [9, 10, 11, 12], "out_features": None},
            r"out_indices \[9, 10, 11, 12\] .* of 4 layers, expected",
        ),
        ({"out_indices": [4], "out_features": ["stage4"]}, r"out_indices \[4\].*expected the same four stages"),
        ({"out_indices": None, "out_features": None}, "out_indices None and out_features None of 4 layers, expected"),
        ({"out_indices": [1, 2, 3, 4], "out_features": ["stem", "a", "b", "c"]}, "out_features .'stem'"),
    ],
)
def test_encoders_that_do_not_fit_are_refused(broken, changes: dict[str, object], message: str) -> None:
    path = broken() / "config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "backbone_config": {**values["backbone_config"], **changes}}))
    with pytest.raises(ModelError, match=message):
        read(path.parent).network()


def test_missing_and_unreadable_configs_are_refused(broken, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match=r"empty holds nothing, expected config\.json and \*\.safetensors"):
        read(empty)
    directory = broken()
    (directory / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        read(directory)
    (directory / "config.json").write_text("[]")
    with pytest.raises(ModelError, match="holds list, expected a JSON object"):
        read(directory)


def test_a_missing_tensor_is_refused_not_made_up(broken) -> None:
    directory = broken()
    rewrite(directory, lambda weights: weights.pop("head.conv3.bias"))
    with pytest.raises(ModelError, match=r"1 missing weights \(depth_head\.scratch\.output_conv2\.2\.bias\)"):
        read(directory).network()


def test_tensors_of_something_else_are_refused(broken) -> None:
    directory = broken()
    rewrite(directory, lambda weights: weights.update({"classifier.weight": torch.zeros(2)}))
    with pytest.raises(ModelError, match=r"1 unexpected weights \(classifier\.weight\)"):
        read(directory).network()


def test_tensors_of_another_shape_are_refused(broken) -> None:
    directory = broken()
    rewrite(directory, lambda weights: weights.update({"head.conv1.bias": torch.zeros(7)}))
    with pytest.raises(ModelError, match=r"1 weights are of another.*output_conv1\.bias is \(7,\), expected \(16,\)"):
        read(directory).network()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(broken, value: float) -> None:
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights["head.conv1.weight"].view(-1)[5] = value

    directory = broken()
    rewrite(directory, spoil)
    with pytest.raises(ModelError, match=r"1 of 4608 numbers of depth_head\.scratch\.output_conv1\.weight are not fin"):
        read(directory).network()


def test_whole_numbers_are_refused_and_half_precision_is_read(broken) -> None:
    directory = broken()
    rewrite(directory, lambda weights: weights.update({name: value.half() for name, value in weights.items()}))
    assert all(value.dtype == torch.float32 for value in read(directory).network().state_dict().values())
    rewrite(directory, lambda weights: weights.update({"head.conv1.bias": torch.zeros(16, dtype=torch.int8)}))
    with pytest.raises(ModelError, match=r"output_conv1\.bias holds torch\.int8, expected floating-point"):
        read(directory).network()


def test_the_mask_token_may_be_absent(broken, directories) -> None:
    directory = broken()
    rewrite(directory, lambda weights: weights.pop("backbone.embeddings.mask_token"))
    found, expected = read(directory).network(), read(directories["relative"]).network()
    for name, value in expected.state_dict().items():
        assert torch.equal(found.state_dict()[name], value)


def test_weights_that_the_catalogue_knows_are_held_to_it(checkpoint) -> None:
    directory = checkpoint(small=True, **METRIC)
    digests = {name: sha256(directory / name) for name in ("config.json", "model.safetensors")}
    entry = replace(CATALOGUE["depth_anything_v2_metric_indoor_small"], files={**digests, "absent.pth": "0" * 64})
    assert read(directory, entry).stated.by == read(directory, replace(entry, files={})).stated.by == "config.json"
    entry.files["model.safetensors"] = "0" * 64
    with pytest.raises(ModelError, match=rf"model\.safetensors has the SHA-256 {digests['model.safetensors']}, e"):
        read(directory, entry)
    other = replace(CATALOGUE["depth_anything_v2_metric_outdoor_small"], files=entry.files)
    with pytest.raises(ModelError, match="metric up to 20 m, expected metric up to 80 m"):  # says more than the digest
        read(directory, other)


def test_weights_that_the_catalogue_knows_are_known_by_path_too(checkpoint, monkeypatch) -> None:
    directory = checkpoint(small=True, **METRIC)
    assert (read(directory).stated.by, spec_of(directory, read(directory).stated).licence) == (
        "config.json",
        "not stated",
    )
    digest = {"model.safetensors": sha256(directory / "model.safetensors")}
    right, wrong = (CATALOGUE[f"depth_anything_v2_metric_{scene}_small"] for scene in ("indoor", "outdoor"))
    monkeypatch.setitem(CATALOGUE, right.name, replace(right, files=digest))
    assert (read(directory).stated.by, spec_of(directory, read(directory).stated).licence) == ("SHA-256", "Apache-2.0")
    monkeypatch.setitem(CATALOGUE, right.name, replace(right, files={}))
    monkeypatch.setitem(CATALOGUE, wrong.name, replace(wrong, files=digest))
    with pytest.raises(ModelError, match="metric up to 80 m by its SHA-256, expected metric up to 20 m by its config"):
        read(directory)
