# SPDX-License-Identifier: Apache-2.0
"""DPT with the encoders of MiDaS 3.1 and of DINOv2: the same as `transformers`, and what nobody says is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from by_transformers import CPU, assert_same, by_transformers, pattern_image, predict

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.families import dpt
from mono_depth_ros.models.parity.transformers_checkpoints import weight
from mono_depth_ros.prediction import DepthKind

ENCODERS: dict[str, dict[str, Any]] = {
    "swinv2": {"image_size": 64, "embed_dim": 16, "depths": [1] * 4, "num_heads": [1, 2, 2, 4], "window_size": 4},
    "beit": {"image_size": 64, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "patch_size": 16},
    "dinov2": {"image_size": 70, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "patch_size": 14},
}
EXTRA: dict[str, dict[str, Any]] = {
    "swinv2": {"add_projection": False, "neck_hidden_sizes": [16, 32, 64, 128]},
    "beit": {"neck_hidden_sizes": [16, 16, 32, 32]},
    "dinov2": {"neck_hidden_sizes": [16, 16, 32, 32]},
}

Saved = Callable[..., Path]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """`saved("beit", keep_aspect_ratio=True)`: the directory of a small DPT with this encoder."""

    def make(kind: str, **processor: Any) -> Path:
        encoder = dict(ENCODERS[kind])
        if kind != "swinv2":
            encoder |= {"intermediate_size": 64, "reshape_hidden_states": False}
        config = transformers.AutoConfig.for_model(
            kind, **encoder, out_features=["stage1", "stage2", "stage3", "stage4"]
        )
        values = {"fusion_hidden_size": 16, "hidden_size": 32, "readout_type": "project", **EXTRA[kind]}
        network = transformers.DPTForDepthEstimation(
            transformers.DPTConfig(backbone_config=config, is_hybrid=False, backbone_out_indices=None, **values)
        )
        state = network.state_dict()
        floats = {name: value for name, value in state.items() if value.is_floating_point()}
        network.load_state_dict({**state, **{name: weight(name, tuple(v.shape)) for name, v in floats.items()}})
        network.save_pretrained(tmp_path / kind)
        side = encoder["image_size"]
        size = {"height": side, "width": side}
        multiple = {"dinov2": 14}.get(kind, 32)
        transformers.DPTImageProcessorPil(size=size, ensure_multiple_of=multiple, **processor).save_pretrained(
            tmp_path / kind
        )
        return tmp_path / kind

    return make


@pytest.mark.parametrize("keep_aspect_ratio", [True, False])
@pytest.mark.parametrize("kind", ENCODERS)
def test_same_as_transformers(saved: Saved, kind: str, keep_aspect_ratio: bool) -> None:
    directory = saved(kind, keep_aspect_ratio=keep_aspect_ratio)
    (directory.parent / f"{kind}.yaml").write_text("kind: inverse_affine\n")
    model = dpt.load(directory, CPU, None)
    for size in ((160, 120), (64, 96), (150, 45)):
        image = pattern_image(*size)
        expected = by_transformers(directory, image)
        assert_same(predict(model, image)[0] + 1, expected + 1)  # some of it is 0


def test_midas_3_1_gives_inverse_depth(saved: Saved, caplog) -> None:
    model = dpt.load(saved("swinv2"), CPU, None)
    assert model.spec.kind is DepthKind.INVERSE_AFFINE
    assert "is taken for MiDaS 3.1, relative inverse depth, by its encoder swinv2" in caplog.text


def test_what_dinov2_gives_is_asked_for(saved: Saved) -> None:
    directory = saved("dinov2")
    sidecar = directory.parent / "dinov2.yaml"
    with pytest.raises(ModelError, match=r"does not say whether it gives metres.*dinov2\.yaml with `kind: metric`"):
        dpt.load(directory, CPU, None)
    sidecar.write_text("kind: metric\nmax_depth_m: 10\n")
    metric = dpt.load(directory, CPU, None)
    assert (metric.spec.kind, metric.spec.max_depth_m) == (DepthKind.METRIC, 10.0)
    image = pattern_image(160, 120)
    values, expected = predict(metric, image)[0], by_transformers(directory, image)
    known = (expected > 0) & (expected < 10)
    assert torch.equal(values.isfinite(), known)
    sidecar.write_text("kind: metrc\n")
    with pytest.raises(
        ModelError, match=r"dinov2\.yaml says kind 'metrc', expected one of: metric, inverse_affine, affine, scale"
    ):
        dpt.load(directory, CPU, None)


def test_other_encoders_and_a_missing_processor(saved: Saved) -> None:
    directory = saved("swinv2")
    (directory / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"has no preprocessor_config\.json, expected it: the size that its encoder"):
        dpt.load(directory, CPU, None)
    config = (directory / "config.json").read_text().replace('"swinv2"', '"resnet"')
    (directory / "config.json").write_text(config)
    with pytest.raises(ModelError, match="has a backbone_config of 'resnet', expected one of: swinv2, beit, dinov2"):
        dpt.load(directory, CPU, None)
