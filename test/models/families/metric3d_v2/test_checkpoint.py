# SPDX-License-Identifier: Apache-2.0
"""The authors' .pth files, and files that are something else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.families.metric3d_v2 import FILES, build, find_file, read

NAME = FILES["small"]


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., Path]:
    """`stored(content)`: what torch.save makes of it, under the authors' name."""

    def save(content: object, **options: object) -> Path:
        path = tmp_path / NAME
        torch.save(content, path, **options)
        return path

    return save


@pytest.fixture
def weights(small_pth: Path) -> dict[str, torch.Tensor]:
    """Of the small network, to be changed."""
    return read(small_pth)[1]


def test_a_file_as_the_authors_publish_it(small_pth: Path, authors_parameters) -> None:
    size, weights = read(small_pth)
    expected = {name: shape for name, shape in authors_parameters("small").items() if name != "encoder.mask_token"}
    assert size == "small" and {name: tuple(value.shape) for name, value in weights.items()} == expected
    network = build(small_pth, size, weights)
    assert network.decoder.iterations == 4 and network.encoder.size.num_layers == 12
    assert all(value.dtype == torch.float32 and not value.is_meta for value in network.state_dict().values())


@pytest.mark.parametrize("prefix", ["", "module.", "module.depth_model.", "depth_model.module."])
def test_other_prefixes(stored, weights, prefix: str) -> None:
    found = read(stored({"model_state_dict": {prefix + name: value for name, value in weights.items()}}))
    assert found[0] == "small" and found[1].keys() == weights.keys()


def test_tensors_alone_and_what_training_leaves_beside_them(stored, weights) -> None:
    assert read(stored(weights))[0] == "small"
    assert read(stored({"model_state_dict": weights, "optimizer": {"state": {}}, "max_iter": 800000}))[0] == "small"


def test_weights_that_are_not_needed_may_be_there(weights) -> None:
    """The mask token, a parameter of the authors' class, is not in their files."""
    assert "encoder.mask_token" not in weights
    build(Path(NAME), "small", {**weights, "encoder.mask_token": torch.zeros(1, 384)})


def test_half_precision_is_read(weights) -> None:
    network = build(Path(NAME), "small", {name: value.half() for name, value in weights.items()})
    assert network.encoder.cls_token.dtype == torch.float32


def test_directories(small_pth: Path, tmp_path: Path) -> None:
    assert find_file(small_pth.parent) == small_pth == find_file(small_pth.parent, "small") == find_file(small_pth)
    with pytest.raises(ModelError, match=f"holds {NAME}, expected {FILES['large']}"):
        find_file(small_pth.parent, "large")
    with pytest.raises(ModelError, match=r"holds nothing, expected metric_depth_vit_small_800k\.pth or"):
        find_file(tmp_path)
    for name in FILES.values():
        os.link(small_pth, tmp_path / name)
    with pytest.raises(ModelError, match=f"holds {NAME} and .*: give the path of one of them"):
        find_file(tmp_path)


def test_version_1_is_named_and_refused(stored) -> None:
    """Its encoder is a ConvNeXt; names from the authors' `mono/model/backbones/ConvNeXt.py`."""
    state = {"depth_model.encoder.downsample_layers.0.0.weight": torch.zeros(96, 3, 4, 4)}
    with pytest.raises(ModelError, match=r"of Metric3D v1 \(a ConvNeXt encoder\), expected v2: metric_depth_vit_small"):
        read(stored({"model_state_dict": state}))


def test_a_size_that_is_none_of_ours(stored, weights) -> None:
    weights["encoder.cls_token"] = torch.zeros(1, 1, 768)
    with pytest.raises(ModelError, match=r"encoder 768 wide, expected one of: 384 \(small\), 1024 \(large\), 1536"):
        read(stored({"model_state_dict": weights}))


def test_other_models_are_refused(stored) -> None:
    with pytest.raises(ModelError, match=r"holds pretrained\.cls_token and so on, expected the weights of Metric3D v2"):
        read(stored({"pretrained.cls_token": torch.zeros(1, 1, 384)}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.zeros(3), "holds Tensor, expected tensors by their names"),
        ({}, "holds dict, expected tensors"),
        ({"model_state_dict": {}}, "holds dict, expected tensors"),
        ({"model_state_dict": {"encoder.cls_token": 3}}, "holds int under 'encoder.cls_token', expected tensors"),
    ],
)
def test_files_without_tensors_are_refused(stored, content, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read(stored(content))


def test_nothing_in_a_file_is_run(stored, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trapped"),))

    with pytest.raises(ModelError, match=r"can run code when loaded \(posix\.mkdir\), expected tensors alone"):
        read(stored({"model_state_dict": {}, "trap": Trap()}))
    assert not (tmp_path / "trapped").exists()


def test_damaged_files_are_refused(small_pth: Path, tmp_path: Path) -> None:
    path = tmp_path / NAME
    shutil.copy(small_pth, path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(ModelError, match="cut off or damaged"):
        read(path)
    shutil.copy(small_pth, path)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 64)
    with pytest.raises(ModelError, match="is damaged: the checksum"):
        read(path)
    for content, message in (
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page saved under that name"),
        (b"version https://git-lfs.github.com/spec/v1", "is a Git LFS pointer"),
        (b"\x80\x02}q\x00." * 9, "no file of torch.save"),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=message):
            read(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda w: w.pop("encoder.blocks.0.3.mlp.fc1.bias"),
            r"1 missing weights \(encoder\.blocks\.0\.3\.mlp\.fc1\.bias\)",
        ),
        (
            lambda w: w.pop("decoder.update_block.gru16.convq.weight"),
            r"missing weights \(decoder\.update_block\.gru16\.convq\.weight\)",
        ),
        (lambda w: w.update({"decoder.extra": torch.zeros(1)}), r"1 unexpected weights \(decoder\.extra\)"),
        (
            lambda w: w.update({"encoder.pos_embed": torch.zeros(1, 257, 384)}),
            r"encoder\.pos_embed is \(1, 257, 384\), expected \(1, 1370, 384\)",
        ),
        (
            lambda w: w.update({"decoder.update_block.gru08.convz.weight": torch.zeros(48, 90, 1, 1)}),
            "has weights of other shapes than the small Metric3D v2",
        ),
        (
            lambda w: w.update({"encoder.norm.bias": torch.full((384,), torch.nan)}),
            "384 of 384 numbers of encoder.norm.bias",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, change, message: str) -> None:
    change(weights)
    with pytest.raises(ModelError, match=message):
        build(Path(NAME), "small", weights)
