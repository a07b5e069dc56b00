# SPDX-License-Identifier: Apache-2.0
"""The authors' .pth files: what is said of them, and files that are something else."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mono_depth_ros.cache import sha256
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.models.families.depth_anything_v2 import load, read, spec_of
from mono_depth_ros.models.loading import family_of
from mono_depth_ros.prediction import DepthKind

RELATIVE, METRIC = "depth_anything_v2_vits.pth", "depth_anything_v2_metric_hypersim_vits.pth"


@pytest.fixture
def named(small_pth: Path, tmp_path: Path) -> Callable[..., Path]:
    """`named(name, sidecar)`: the file under a name, with NAME.yaml beside it where there is one."""

    def link(name: str, sidecar: str = "") -> Path:
        path = tmp_path / name
        os.link(small_pth, path) if not path.exists() else None
        if sidecar:
            path.with_suffix(".yaml").write_text(sidecar)
        return path

    return link


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., Path]:
    """`stored(content)`: what torch.save makes of it, under the authors' name."""

    def save(content: object, **options: object) -> Path:
        path = tmp_path / RELATIVE
        torch.save(content, path, **options)
        return path

    return save


def test_the_authors_names(named) -> None:
    relative, metric = read(named(RELATIVE)), read(named(METRIC))
    outdoor = read(named("depth_anything_v2_metric_vkitti_vits.pth"))
    assert (relative.stated.kind, relative.stated.max_depth_m) == (DepthKind.INVERSE_AFFINE, None)
    assert (metric.stated.kind, metric.stated.max_depth_m) == (DepthKind.METRIC, 20.0)
    assert (outdoor.stated.kind, outdoor.stated.max_depth_m) == (DepthKind.METRIC, 80.0)
    assert spec_of(relative.source, relative.stated).licence == "not stated"
    assert relative.stated.by == "name"  # their SHA-256 is another
    assert spec_of(relative.source, relative.stated).name.endswith(RELATIVE)


def test_a_name_alone_is_said_to_be_one(named, caplog, fp32) -> None:
    with caplog.at_level(logging.WARNING):
        load(named(METRIC), fp32)
    assert "taken for metric up to 20 m by its name alone: it is not the authors' file" in caplog.text


@pytest.mark.parametrize(
    ("sidecar", "kind", "max_depth_m"),
    [
        ("kind: metric\nmax_depth_m: 12.5", DepthKind.METRIC, 12.5),
        ("kind: inverse_affine", DepthKind.INVERSE_AFFINE, None),
        ("kind: affine", DepthKind.AFFINE, None),
        ("kind: scale", DepthKind.SCALE, None),
    ],
)
def test_a_file_beside_it_says_what_it_is(named, caplog, sidecar: str, kind: DepthKind, max_depth_m) -> None:
    checkpoint = read(named("mine.pth", sidecar))
    with caplog.at_level(logging.WARNING):
        network = checkpoint.network()
    assert (checkpoint.stated.kind, checkpoint.stated.max_depth_m, network.max_depth_m) == (
        kind,
        max_depth_m,
        max_depth_m,
    )
    assert spec_of(checkpoint.source, checkpoint.stated).licence == "not stated" and not caplog.text


def test_without_either_it_is_refused_and_told_how(named) -> None:
    expected = (
        r"mine\.pth does not say whether it is relative or metric.*write mine\.yaml.*kind: metric.*max_depth_m: 20"
    )
    with pytest.raises(ModelError, match=expected):
        read(named("mine.pth"))


@pytest.mark.parametrize(
    ("sidecar", "message"),
    [
        ("kind: metric", "max_depth_m None, expected metres"),
        ("kind: metric\nmax_depth_m: .inf", "max_depth_m inf, expected metres"),
        ("kind: metric\nmax_depth_m: true", "max_depth_m True, expected metres"),
        ("kind: [metric]", "kind .'metric'., expected one of: metric, inverse_affine, affine, scale"),
        ("kind: relative", "kind 'relative', expected one of: metric, inverse_affine, affine, scale"),
        ("kind: inverse_affine\nmax_depth_m: 20", "max_depth_m 20, expected none"),
        ("kind: metric\nmax_depth: 20", "has max_depth, expected only: kind, max_depth_m"),
        ("metric", "has 'metric', expected only"),
        ("kind: [", "cannot be read as YAML"),
    ],
)
def test_a_file_beside_it_that_is_wrong_is_refused(named, sidecar: str, message: str) -> None:
    with pytest.raises(ModelError, match=rf"mine\.yaml .*{message}"):
        read(named("mine.pth", sidecar))


def test_a_name_and_a_file_beside_it_must_agree(named) -> None:
    message = r"metric up to 10 m by its .*hypersim_vits\.yaml beside it, expected metric up to 20 m by its name"
    with pytest.raises(ModelError, match=message):
        read(named(METRIC, "kind: metric\nmax_depth_m: 10"))
    assert read(named(RELATIVE, "kind: inverse_affine")).stated.kind is DepthKind.INVERSE_AFFINE


def test_the_wrong_size_is_refused(named) -> None:
    with pytest.raises(ModelError, match=r"vitb\.pth is small, expected base by its name"):
        read(named("depth_anything_v2_vitb.pth"))


@pytest.mark.parametrize(
    ("name", "found", "expected"),
    [
        ("depth_anything_v2_metric_indoor_small", "relative", "metric up to 20 m"),
        ("depth_anything_v2_base", "small", "base"),
        ("depth_anything_v2_large", "small", "large"),
    ],
)
def test_what_was_asked_for_is_held_to(named, name: str, found: str, expected: str) -> None:
    with pytest.raises(ModelError, match=rf"{name}: .*vits\.pth is {found}.*, expected {expected}"):
        read(named(RELATIVE), CATALOGUE[name])
    assert read(named(RELATIVE), CATALOGUE["depth_anything_v2_small"]).size.vit.embed_dim == 384


def test_a_known_file_is_known_whatever_it_is_called(named, monkeypatch) -> None:
    entry = CATALOGUE["depth_anything_v2_small"]
    digest = sha256(named(RELATIVE))
    monkeypatch.setitem(CATALOGUE, entry.name, replace(entry, files={RELATIVE: digest}))
    found = read(named("mine.pth"))
    assert (found.stated.kind, found.stated.by) == (DepthKind.INVERSE_AFFINE, "SHA-256")
    assert spec_of(found.source, found.stated).licence == "Apache-2.0"
    with pytest.raises(ModelError, match=r"is relative .* by its SHA-256, expected metric up to 20 m by its name"):
        read(named(METRIC))


def test_depth_anything_v1_is_named(named) -> None:
    with pytest.raises(ModelError, match="of Depth Anything V1 by its name, expected V2"):
        read(named("depth_anything_vits14.pth"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model_state_dict": {"depth_model.encoder.x": torch.zeros(1)}}, "weights of Metric3D"),
        ({"pretrained.model.blocks.0.x": torch.zeros(1)}, "weights of MiDaS or DPT"),
        ({"model": {"core.core.pretrained.x": torch.zeros(1)}}, "weights of ZoeDepth"),
        (
            {"model": {"pretrained.x": torch.zeros(1)}, "epoch": 3},
            "has no tensor pretrained.cls_token but pretrained.x",
        ),
        ({"module.blocks.0.x": torch.zeros(1)}, "of a DINOv2 encoder alone"),
        ({"model": {"epoch": 3}}, "holds int under 'epoch', expected tensors by"),
        ({"backbone.embeddings.cls_token": torch.zeros(1)}, "of transformers' names, expected the authors'"),
        ({"blocks.0.norm1.weight": torch.zeros(1)}, "of a DINOv2 encoder alone"),
        ({"weight": torch.zeros(1)}, "has no tensor pretrained.cls_token but weight"),
        ({"pretrained.blocks.0.x": torch.zeros(1), "epoch": 3}, "holds int under 'epoch', expected tensors by"),
        ({"pretrained.blocks.0.x": torch.zeros(1), 7: torch.zeros(1)}, "holds Tensor under 7, expected tensors by"),
        ({}, "holds dict, expected tensors by their names"),
        (torch.zeros(3), "holds Tensor, expected tensors by their names"),
    ],
)
def test_other_models_are_named(stored, content: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read(stored(content))


def test_files_that_run_code_are_refused(stored) -> None:
    class Harmful:
        def __reduce__(self):
            return os.system, ("touch /tmp/harmful",)

    with pytest.raises(ModelError, match=r"objects that can run code when loaded.*system.*, expected tensors alone"):
        read(stored({"pretrained.cls_token": Harmful()}))
    with pytest.raises(ModelError, match=r"objects that can run code when loaded \(.*PosixPath\)"):
        read(stored({"pretrained.cls_token": torch.zeros(1), "args": Path("x")}))


def nested(weights: dict) -> dict[str, Any]:
    """A checkpoint in the forms of trainings, by its name."""
    module = {f"module.{name}": value for name, value in weights.items()}
    optimizer = {"state": {}, "param_groups": [{"lr": 5e-6}]}
    beside = {"optimizer": optimizer, "epoch": 3, "previous_best": {"d1": np.float64(0.9)}}
    return {
        "the authors' train.py": {"model": module, **beside},
        "its inner dictionary": module,
        "lightning": {
            "state_dict": {f"model.{name}": value for name, value in weights.items()},
            "epoch": 3,
        },
        "twice": {"state_dict": {"model": {f"model.module.{name}": value for name, value in weights.items()}}},
        "compiled": {f"_orig_mod.{name}": value for name, value in weights.items()},
    }


@pytest.mark.parametrize("form", [*nested({})])
@pytest.mark.parametrize("zipped", [True, False])
def test_checkpoints_of_trainings(stored, small_weights, form: str, zipped: bool) -> None:
    """All that people have, also of torch before 1.6, is the same network."""
    path = stored(nested(small_weights)[form], _use_new_zipfile_serialization=zipped)
    assert family_of(path) == "depth_anything_v2"
    network = read(path).network()
    name = "depth_head.scratch.output_conv1.weight"
    assert torch.equal(network.state_dict()[name], small_weights[name])


@pytest.mark.parametrize("suffix", [".pt", ".ckpt"])
@pytest.mark.parametrize("where", ["args", "hyper_parameters"])
def test_the_range_is_that_of_the_training(stored, small_weights, tmp_path: Path, suffix: str, where: str) -> None:
    """`train.py --max-depth 10`: else NAME.yaml has to say it."""
    settings = {"max_depth": 10.0}
    held = argparse.Namespace(**settings) if where == "args" else settings
    path = stored({"model": small_weights, where: held}).rename(tmp_path / f"latest{suffix}")
    found = read(path)
    assert (found.stated.kind, found.stated.max_depth_m) == (DepthKind.METRIC, 10.0)
    assert found.stated.by == "max_depth of its training" and family_of(path) == "depth_anything_v2"
    path.with_suffix(".yaml").write_text("kind: metric\nmax_depth_m: 80\n")
    assert read(path).stated.max_depth_m == 80.0  # who writes it there knows better
    path.with_suffix(".yaml").unlink()
    with pytest.raises(ModelError, match=r"does not say whether it is relative or metric"):
        read(stored({"model": small_weights, "max_depth": None}).rename(tmp_path / f"plain{suffix}"))


def test_a_cut_off_file_of_the_old_format(stored, small_weights) -> None:
    path = stored(small_weights, _use_new_zipfile_serialization=False)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1000)
    with pytest.raises(ModelError, match=r"cannot be read, expected a \.pth of the authors"):
        read(path)


@pytest.mark.parametrize("keep", [4, 1000, 0.5, -1])
def test_truncated_files_are_refused(small_pth: Path, tmp_path: Path, keep: float) -> None:
    size = small_pth.stat().st_size
    length = int(keep * size) if 0 < keep < 1 else keep % size
    with small_pth.open("rb") as file:
        (tmp_path / RELATIVE).write_bytes(file.read(length))
    with pytest.raises(ModelError, match="cut off or damaged, expected a whole file"):
        read(tmp_path / RELATIVE)


def test_a_flipped_bit_is_refused(small_pth: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(small_pth, tmp_path / RELATIVE))
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(ModelError, match=r"is damaged: the checksum of .* is not the one stored|cut off or damaged"):
        read(path)


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / RELATIVE, "w") as archive:
        archive.writestr("readme.txt", "weights")
    with pytest.raises(ModelError, match=r"cannot be read, expected a \.pth of the authors"):
        read(tmp_path / RELATIVE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer.*git lfs pull"),
        (b"<!DOCTYPE html><html>404</html>", "a web page saved under that name"),
        (b"nothing of the kind", r"no file of torch\.save"),
    ],
)
def test_files_that_are_no_weights_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / RELATIVE).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read(tmp_path / RELATIVE)
