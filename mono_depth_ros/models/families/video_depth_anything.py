# SPDX-License-Identifier: Apache-2.0
"""Video Depth Anything (Chen et al. 2025, arXiv 2501.12375), streaming: one image at a time, with its authors' memory.

The reference is github.com/DepthAnything/Video-Depth-Anything, `video_depth_anything/video_depth_stream.py` and
`run_streaming.py`. An image attends to 31 before it: the first, the one 41 back, and the last 29. Of images before the
first there are none: it stands for them until there are others. A still picture is a first image.

Relative or metric? The network is the same, its tensors have the same names and shapes. The authors' name for the file
says it, or NAME.yaml beside it; where both do they must agree.

    kind: metric          # or inverse_affine
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import ModelSpec, check_batch
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.engine_model import CHECK_SIZES, EngineModel, check_frame
from mono_depth_ros.models.families.depth_anything_weights import UNUSED, read_pth_weights, size_name
from mono_depth_ros.models.memory import Memory
from mono_depth_ros.models.networks.depth_anything import SIZES, NetworkSize
from mono_depth_ros.models.networks.video_depth_anything import (
    ATTENTIONS,
    LENGTH,
    MODULES,
    REMEMBERED,
    VideoDepthAnythingNetwork,
    memory_shapes,
)
from mono_depth_ros.models.networks.vit import PATCH
from mono_depth_ros.models.postprocess import postprocess
from mono_depth_ros.models.preprocess import check_aspect, image_input, layout
from mono_depth_ros.models.processing import ImageInput, Outputs, Processing, SizeRule
from mono_depth_ros.models.resample import Size, resize_images
from mono_depth_ros.models.runtime.engine import EngineOptions, Inputs, Network
from mono_depth_ros.models.weights.files import check_digest, check_kind, fill, kind_in_words
from mono_depth_ros.models.weights.sidecar import read_sidecar, sidecar_of
from mono_depth_ros.prediction import DepthKind, DepthPrediction, Prompt

PROCESSING = Processing(
    kind="inverse_affine",
    input=ImageInput(
        "image",
        SizeRule(shorter_side=518, multiple=PATCH, max_side=8 * 518),
        "cubic",
        1,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
    outputs=Outputs("corners", depth="depth"),
)
"""That of the relative network, of images that are not long: see `read_at`."""

_LARGEST = 1280  # the longer side: larger images are made smaller first, on grey levels
_LONG, _LONGEST = (
    1.78,
    1.777,
)  # ratio of the sides; longer images are read as if their longer side were that of the second
_RECENT = 29  # images before the present one that it attends to
_BETWEEN = 11  # images between these and the one 41 back
_SIZES = {"s": "small", "b": "base", "l": "large"}
_OURS = "head.motion_modules."


class VideoMemory:
    """What the 8 temporal attentions saw of the images of one stream.

    Of 31 images it is kept in one tensor for each attention, in whatever order: the first, the one 41 back, and a ring
    of the last 29. Those between wait to become the one 41 back.
    """

    def __init__(self) -> None:
        self.images = 0
        self.window: list[Tensor] = []
        self._oldest = 0  # of the ring
        self._between: deque[list[Tensor]] = deque()

    def places(self) -> list[int]:
        """(32,) of the images in `window`, and of the present one, in the order of time; -1 where there is none."""
        if not self.images:
            return [-1] * REMEMBERED + [0]
        return [0, 1, *(2 + (slot - self._oldest) % _RECENT for slot in range(_RECENT)), REMEMBERED]

    def add(self, seen: Sequence[Tensor]) -> None:
        """Remember what the attentions saw of the present image, (h, w, C) each; it is copied."""
        self.images += 1
        if not self.window:
            self.window = [value.expand(REMEMBERED, *value.shape).clone() for value in seen]
            self._between.append([value.clone() for value in seen])
            return
        slot = 2 + self._oldest
        self._between.append([value[slot].clone() for value in self.window])
        gone = self._between.popleft() if len(self._between) > _BETWEEN else None
        for index, value in enumerate(self.window):
            value[slot] = seen[index]
            if gone is not None:
                value[1] = gone[index]
        self._oldest = (self._oldest + 1) % _RECENT


class VideoDepthAnything(EngineModel):
    """`VideoModel`: relative gives INVERSE_AFFINE, metric gives METRIC. The camera is not used.

    Attributes:
        processing: what is done with images and outputs, but for the size that `read_at` says.
    """

    no_contract = "its network takes and gives what it remembers of the images before"

    def __init__(
        self,
        spec: ModelSpec,
        network: VideoDepthAnythingNetwork | Callable[[], VideoDepthAnythingNetwork],
        size: NetworkSize,
        options: EngineOptions,
        files: tuple[Path, ...] = (),
    ) -> None:
        """`network`, `files`: as of `DepthAnythingV2`. Raises ModelError: see `make_engine`."""
        self._size = size
        module = network.optimise() if isinstance(network, VideoDepthAnythingNetwork) else lambda: network().optimise()
        sides = (("rows", "columns"), ("half_rows", "half_columns"), ("rows", "columns"), ("2*rows", "2*columns"))
        memory = [{0: "batch", 2: rows, 3: columns} for rows, columns in sides for _ in range(ATTENTIONS)]
        names = [f"{{}}_{index}" for index in range(MODULES * ATTENTIONS)]
        graph = Network(
            spec.name,
            module,
            ("image", "places", *(name.format("memory") for name in names)),
            ("depth", *(name.format("seen") for name in names)),
            ({0: "batch", 2: "14*rows", 3: "14*columns"}, {0: "batch"}, *memory),
            files=files,
        )
        self.processing = PROCESSING if spec.kind is DepthKind.INVERSE_AFFINE else replace(PROCESSING, kind="metric")
        super().__init__(spec, graph, options)

    def memory(self) -> Memory:
        """See `VideoModel.memory`."""
        return VideoMemory()

    @torch.inference_mode()
    def predict(
        self,
        rgb: Tensor,
        cameras: Sequence[Camera],
        prompts: Sequence[Prompt] = (),
        memories: Sequence[Memory | None] = (),
    ) -> list[DepthPrediction]:
        """Depth or inverse depth: see `VideoModel.predict`.

        Raises:
            ModelError: a memory is of images of another size.
        """
        check_batch(rgb, cameras, prompts, self.spec)
        known = [memory if isinstance(memory, VideoMemory) else None for memory in memories or [None] * len(rgb)]
        (image,) = self._image(rgb.to(self.device))
        outputs = self.run(image, *self._before(image, known))
        predictions = self.postprocess(outputs, cameras)
        for index, memory in enumerate(known):
            if memory is not None:
                memory.add([value[index] for value in outputs[1:]])
        return predictions

    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """Of still pictures; raises ImageError, reason `image_shape`: see `layout`."""
        (image,) = self._image(rgb)
        return (image, *self._before(image, [None] * len(rgb)))

    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Predictions at the size of the cameras."""
        place = layout(*read_at(cameras[0].width, cameras[0].height, self.processing.input)[1:])
        return [
            postprocess({"depth": outputs[0][index]}, self.processing, camera, place)
            for index, camera in enumerate(cameras)
        ]

    @torch.inference_mode()
    def examples(self) -> Iterator[Inputs]:
        """As of every `EngineModel`, in the middle of a stream: what is remembered is a pattern."""
        for width, height in CHECK_SIZES:
            rgb, _ = check_frame(width, height)
            for image in (rgb, 255 - rgb.flip(2)) if self.device.type == "cuda" else (rgb,):
                (picture,) = self._image(image.to(self.device))
                places = torch.arange(LENGTH, dtype=torch.float32, device=self.device)[None]
                before = [
                    torch.arange(rows * columns * width, device=self.device).float().sin().view(1, 1, rows, columns, -1)
                    for rows, columns, width in self._shapes(picture)
                ]
                yield (picture, places, *(value.expand(-1, REMEMBERED, -1, -1, -1) for value in before))

    def scaled(self, factor: float) -> EngineModel:
        """Raise ModelError: it remembers images of one size."""
        raise ModelError("at another size it would have to forget the images before")

    def _image(self, rgb: Tensor) -> Inputs:
        """The image as the network reads it."""
        first, width, height, image = read_at(rgb.shape[2], rgb.shape[1], self.processing.input)
        return (image_input(resize_images(rgb, first, "linear"), image, layout(width, height, image)),)

    def _shapes(self, image: Tensor) -> list[tuple[int, int, int]]:
        return memory_shapes(self._size, image.shape[2] // PATCH, image.shape[3] // PATCH)

    def _before(self, image: Tensor, memories: Sequence[VideoMemory | None]) -> Inputs:
        """Places and memory of a batch; where nothing is remembered the network does not look at what stands there."""
        known = [memory or VideoMemory() for memory in memories]
        shapes = self._shapes(image)
        found = []
        for index, shape in enumerate(shapes):
            nothing = torch.zeros((), device=self.device).expand(REMEMBERED, *shape)
            each = [memory.window[index] if memory.window else nothing for memory in known]
            if any(value.shape != nothing.shape for value in each):
                raise ModelError(f"what is remembered is of images of another size than {tuple(image.shape[2:])}")
            found.append(each[0][None] if len(each) == 1 else torch.stack(each))
        places = torch.tensor([memory.places() for memory in known], dtype=torch.float32)
        return (places.to(self.device), *found)


def read_at(width: int, height: int, image: ImageInput) -> tuple[Size, int, int, ImageInput]:
    """How an image of this size is read: the size that it is brought to first, its sides, and the rule from there.

    The sides of one that is longer than 16:9 are shorter than others', so that there are not more patches.

    Raises:
        ImageError: reason `image_shape`.
    """
    check_aspect(width, height)
    scale = min(_LARGEST / max(width, height), 1.0)
    width, height = round(width * scale), round(height * scale)
    ratio, side = max(width, height) / min(width, height), image.size.shorter_side
    assert side is not None
    if ratio > _LONG:
        side = round(int(side * _LONGEST / ratio) / PATCH) * PATCH
    return (width, height), width, height, replace(image, size=replace(image.size, shorter_side=side))


def load(source: Path, options: EngineOptions, expected: CatalogueEntry | None) -> VideoDepthAnything:
    """The model in a .pth of the authors: see `loading.Loader`."""
    kind, size = what_it_is(source)
    check_kind(source, kind, None, expected)
    for name, digest in (expected.files if expected else {}).items():
        if name == source.name:
            check_digest(source, digest)
    size = expected.size if expected else size
    spec = ModelSpec(str(source), "video_depth_anything", kind, "not stated", video=True)
    spec = ModelSpec.of(expected) if expected else spec
    network, found = read(source, size)
    return VideoDepthAnything(spec, network, found, options, (source, sidecar_of(source)))


def what_it_is(path: Path) -> tuple[DepthKind, str]:
    """The kind that a file is of, and its size or "", by its name or by NAME.yaml beside it.

    Raises:
        ModelError: nothing says it, or both do and disagree.
    """
    named = re.fullmatch(r"(metric_)?video_depth_anything_vit([sbl])\.pth", path.name)
    by_name = None if named is None else DepthKind.METRIC if named[1] else DepthKind.INVERSE_AFFINE
    sidecar = sidecar_of(path)
    said = read_sidecar(sidecar, bounded=False)
    if said is not None and said[1] is not None:
        raise ModelError(f"{sidecar} says max_depth_m {said[1]:g}, expected none: this network has no largest depth")
    if by_name is not None and said is not None and said[0] is not by_name:
        found = f"{kind_in_words(by_name, None)} by its name"
        raise ModelError(f"{path} is {found}, expected {kind_in_words(said[0], None)} by {sidecar.name} beside it")
    kind = by_name or (said[0] if said else None)
    if kind is None:
        raise ModelError(
            f"{path} is of Video Depth Anything and does not say whether it is relative or metric, as their networks "
            f"are the same: write {sidecar.name} beside it with `kind: inverse_affine` or `kind: metric`, or use the "
            "authors' name, such as video_depth_anything_vits.pth or metric_video_depth_anything_vits.pth"
        )
    return kind, _SIZES[named[2]] if named else ""


def read(path: Path, size: str = "") -> tuple[VideoDepthAnythingNetwork, NetworkSize]:
    """The network in a file, float32, on the CPU, under the authors' parameter names.

    Args:
        size: that it should be of; "" for any.

    Raises:
        ModelError: the file is damaged, of another network or size, or would run code.
    """
    found, weights = read_pth_weights(path)
    if not any(name.startswith(_OURS) for name in weights):
        raise ModelError(f"{path} has no {_OURS}*, expected the weights of Video Depth Anything")
    if size and SIZES[size] != found:
        raise ModelError(f"{path} is {size_name(found)}, expected {size}")
    with torch.device("meta"):
        network = VideoDepthAnythingNetwork(found)
    fill(network, weights, path, f"the {size_name(found)} Video Depth Anything", UNUSED)
    return network, found
