# SPDX-License-Identifier: Apache-2.0
"""preprocessor_config.json is honoured as `transformers` honours it, and its absence means the published one."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from by_transformers import CPU, assert_same, by_transformers, pattern_image, predict

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.families import depth_pro, dpt, glpn, zoedepth
from mono_depth_ros.models.families.transformers_models import Preprocessor, read_preprocessor
from mono_depth_ros.models.loading import loader
from mono_depth_ros.models.preprocess import normalised

pytestmark = pytest.mark.usefixtures("torchvision_stand_in")


def test_the_nested_form_is_honoured_and_counts_first(broken) -> None:
    """processor_config.json as transformers 5 writes it, with the image's processor inside."""
    directory = broken("dpt", processor={"image_mean": [0.5, 0.5, 0.5]})
    published = (dpt.PUBLISHED, "ensure_multiple_of")
    for content, mean in (
        ({"image_processor": {"image_mean": [0.1, 0.2, 0.3]}, "processor_class": "X"}, (0.1, 0.2, 0.3)),
        ({"processor_class": "X"}, (0.5, 0.5, 0.5)),
    ):
        (directory / "processor_config.json").write_text(json.dumps(content))
        assert read_preprocessor(directory, *published).image.mean == mean
    for content, said in (
        (
            {"image_processor": {"do_pad": True}},
            r"processor_config\.json asks for do_pad = True",
        ),
        ({"image_processor": 3}, r"processor_config\.json asks for image_processor = 3, expected an object"),
        ({"auto_map": {"AutoProcessor": "evil.Evil"}}, "names code of its own"),
    ):
        (directory / "processor_config.json").write_text(json.dumps(content))
        with pytest.raises(ModelError, match=said):
            read_preprocessor(directory, *published)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        # As Intel/dpt-large was published: the form before there were image processors.
        (
            "dpt",
            {"size": 384, "resample": 2, "image_processor_type": None, "feature_extractor_type": "DPTImageProcessor"},
        ),
        ("dpt", {"size": {"height": 256, "width": 256}, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}),
        ("dpt", {"do_normalize": False, "rescale_factor": 1 / 127.5}),
        ("glpn", {"size_divisor": 64, "resample": 3}),
        ("glpn", {"do_normalize": True, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}),
        ("zoedepth", {"do_pad": False}),
        ("zoedepth", {"keep_aspect_ratio": False, "size": {"height": 256, "width": 320}}),
        ("zoedepth", {"ensure_multiple_of": 64, "resample": 3}),
        # What transformers 5 writes where it is not told otherwise: sides of any length.
        ("zoedepth", {"ensure_multiple_of": 1 / 32}),
    ],
    ids=str,
)
def test_same_as_transformers(broken, family: str, changes: dict[str, Any]) -> None:
    directory = broken(family, processor=changes)
    image = pattern_image(250, 180)
    assert_same(predict(loader(family)(directory, CPU, None), image)[0], by_transformers(directory, image))


@pytest.mark.parametrize("family", ["zoedepth", "dpt", "glpn", "depth_pro"])
def test_without_the_file(broken, checkpoint, family: str) -> None:
    directory = broken(family, **({"patch": 384} if family == "depth_pro" else {}))
    written = read_preprocessor(directory, *_reading(family))
    (directory / "preprocessor_config.json").unlink()
    assert read_preprocessor(directory, *_reading(family)) == written
    if family != "depth_pro":  # of full size, which takes a while
        loader(family)(directory, CPU, None)


def _reading(family: str) -> tuple[Preprocessor, str, tuple[str, ...]]:
    return {
        "zoedepth": (zoedepth.PUBLISHED, "ensure_multiple_of", ("keep_aspect_ratio", "do_pad")),
        "dpt": (dpt.PUBLISHED, "ensure_multiple_of", ("keep_aspect_ratio",)),
        "glpn": (glpn.PUBLISHED, "size_divisor", ()),
        "depth_pro": (Preprocessor(depth_pro.IMAGE), "", ()),
    }[family]


@pytest.mark.parametrize(
    ("factor", "range_", "mean", "std"),
    [(1 / 255, 1, (0.1, 0.2, 0.3), (1, 2, 4)), (1.0, 255, (0.1, 0.2, 0.3), (1, 2, 4)), (0.5, 1, None, None)],
)
def test_every_rescale_factor_is_declared(broken, factor: float, range_: int, mean, std) -> None:
    """(grey level * factor - mean) / std, whatever the factor."""
    steps = {"rescale_factor": factor, "image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 4]}
    image = read_preprocessor(broken("dpt", processor=steps), dpt.PUBLISHED, "ensure_multiple_of").image
    assert image.range == range_ and (mean is None or (image.mean, image.std) == (mean, std))
    found = normalised(torch.tensor([[[[2, 6, 20]]]], dtype=torch.uint8), image)
    expected = (torch.tensor([2.0, 6.0, 20.0]) * factor - torch.tensor([0.1, 0.2, 0.3])) / torch.tensor([1.0, 2, 4])
    torch.testing.assert_close(found.flatten(), expected)
