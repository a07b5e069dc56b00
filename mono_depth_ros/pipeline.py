# SPDX-License-Identifier: Apache-2.0
"""The heart: one image and its camera in, metric depth, cloud and colour view out. Nodes and tools both call it."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike

from mono_depth_ros.alignment.samples import Samples, samples_from_depth
from mono_depth_ros.config import DepthConfig, ModelConfig
from mono_depth_ros.errors import ConfigError, DataError, ModelError
from mono_depth_ros.frame import Frame, needs_camera, own_copy
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rectify import IDENTITY, Rotation, rectify
from mono_depth_ros.media.camera_argument import as_camera
from mono_depth_ros.media.depth import read_depth
from mono_depth_ros.media.image_argument import as_rgb
from mono_depth_ros.models import loading
from mono_depth_ros.models.base import DepthModel, PromptedModel, check_prompts
from mono_depth_ros.models.memory import History, Memory, is_video
from mono_depth_ros.models.runtime.device_errors import detached, is_lost, is_out_of_memory
from mono_depth_ros.paths import expanded
from mono_depth_ros.prediction import Prompt
from mono_depth_ros.transfer import upload

LOGGER = logging.getLogger(__name__)

AnyCamera = Camera | ArrayLike | str | os.PathLike[str]
"""A Camera, a 3x3 matrix K in pixels, or the path of a calibration file."""
AnyPrompt = Samples | ArrayLike | str | os.PathLike[str]
"""Samples, a depth map (h, w) in metres, or the path of one."""


def load_model(
    name: str | os.PathLike[str],
    device: str | torch.device = "auto",
    engine: str = "auto",
    precision: str = "auto",
    input_size: tuple[int, int] | None = None,
    engine_path: str | os.PathLike[str] = "",
    exact_camera: bool = False,
) -> Pipeline:
    """A model by its name of `list_models()`, by a path or by a hub name, ready to be called with images.

    Args:
        device: "auto", "cpu", "cuda" or "cuda:N". engine: "auto", "torch", "torch_compile", "onnxruntime", "openvino"
            or "tensorrt". precision: "auto", "fp32", "fp16", "bf16" or "int8".
        input_size: (width, height) at which Metric3D v2 reads images; other models have their own rule.
        exact_camera: use the camera as it is calibrated where the authors of MoGe-2, UniDepthV2 and Depth Anything 3
            metric take a rougher one.
        engine_path: a prebuilt engine of TensorRT for this model (docs/gpu.md) or its int8 network, "" for none.

    Raises:
        ModelError: the name is unknown, the device or the engine is not there, or the weights are missing or not what
            they should be. ConfigError: another engine or precision than these.
    """
    size = ""
    if input_size is not None:
        if not isinstance(input_size, Sequence) or len(input_size) != 2:
            raise ConfigError(f"input_size is {input_size!r}, expected (width, height)")
        size = f"{input_size[0]}x{input_size[1]}"
    path = os.fspath(engine_path)
    config = ModelConfig(str(name), str(device), engine, precision, size, exact_camera=exact_camera, engine_path=path)
    return Pipeline(loading.load_model(config))


@dataclass(frozen=True, eq=False)
class Shot:
    """One image to estimate the depth of.

    Attributes:
        rgb: (H, W, 3) uint8. camera: of this image, distortion included; None where the model needs none.
        into: rectify the image into this pinhole first; the frame is then in that camera.
        rotation: R of the CameraInfo, used with `into`.
        memory: of its stream, where the model is a video model; None for a still picture.
        prompt: known depths of this image, where the model needs them.
    """

    rgb: np.ndarray | torch.Tensor
    camera: Camera | None
    into: Camera | None = None
    rotation: Rotation = IDENTITY
    memory: Memory | None = None
    prompt: Prompt | None = None


class Pipeline:
    """rgb + camera -> Frame.

    `model(image, camera)` takes whatever is an image and a camera, and gives tensors of the caller's own. `estimate`
    and `estimate_batch` take shots as they are, and give what the model made: tensors of inference mode.
    """

    def __init__(self, model: DepthModel, config: DepthConfig | None = None, full_batch: int = 1) -> None:
        """Args:
        full_batch: images that most batches have. On a GPU a smaller one, such as the last of a recording, is padded to
            it: a batch of another size would be recorded anew, for which more images are computed than are padded.
        """
        self.model = model
        # The images of one stream follow each other in a video model: most of its batches have one.
        self._full_batch = full_batch if model.device.type == "cuda" and not is_video(model) else 1
        self.config = config or DepthConfig()
        self._fitting: dict[tuple[int, ...], int] = {}  # images at once, by their shape, where more did not fit
        self._history: History | None = None

    def stream(self) -> Pipeline:
        """The same model for the images of one camera, in order: a video model then remembers them.

        Images of another size begin a new stream. Called as it is, a video model takes every image for a first one;
        other models make no difference.
        """
        found = Pipeline(self.model, self.config)
        found._history = History(self.model)
        return found

    def __call__(self, image: Any, camera: AnyCamera | None = None, prompt: AnyPrompt | None = None) -> Frame:
        """The depth of one image.

        Args:
            image: a path; a PIL image; a numpy array uint8, (H, W, 3) RGB, (H, W, 4) RGBA or (H, W) grey; a torch
                tensor (H, W, 3) uint8, (3, H, W) uint8, or (3, H, W) float from 0 to 1. Orientation tags are ignored.
            camera: of this image, where the model or the result needs it.
            prompt: known depths, where the model needs them (`list_models()` says it: `needs_prompt`): `Samples`, or a
                depth map (h, w) of the image's shape in metres, 0 or NaN unknown, as an array or a file.

        Raises:
            ImageError, DataError: something else than an image. CameraError: no camera, or of another size.
            ModelError: the model needs the camera, or a prompt. SamplesError: a prompt that says nothing.
        """
        return self._called([image], camera, [as_prompt(prompt)])[0]

    def batch(self, images: Sequence[Any], camera: AnyCamera | Sequence[Camera | None] | None = None) -> list[Frame]:
        """The depth of several images, those of one size in one run of the network.

        Args:
            camera: the same for all, or a list with one `Camera` for each image.

        Raises:
            MonoDepthError: as for one image; the first that is wrong.
        """
        return self._called(images, camera, [None] * len(images))

    def _called(
        self,
        images: Sequence[Any],
        camera: AnyCamera | Sequence[Camera | None] | None,
        prompts: Sequence[Prompt | None],
    ) -> list[Frame]:
        each = list(camera) if isinstance(camera, (list, tuple)) and _cameras(camera) else [camera] * len(images)
        if len(each) != len(images):
            raise ModelError(f"found {len(each)} cameras for {len(images)} images, expected one, or one for each")
        arrays = [as_rgb(image) for image in images]
        shots = [
            Shot(rgb, as_camera(given, rgb), memory=self._memory(rgb), prompt=prompt)
            for rgb, given, prompt in zip(arrays, each, prompts, strict=True)
        ]
        frames = self.estimate_batch(shots)
        failed = next((index for index, frame in enumerate(frames) if isinstance(frame, Exception)), None)
        if failed is not None:
            raise cast(Exception, frames.pop(failed))  # in no variable of this call: it holds the call, and the images
        return [own_copy(frame) for frame in frames if isinstance(frame, Frame)]

    @torch.inference_mode()
    def estimate(
        self,
        rgb: np.ndarray | torch.Tensor,
        camera: Camera | None,
        into: Camera | None = None,
        rotation: Rotation = IDENTITY,
    ) -> Frame:
        """Depth of one image; the arguments are those of a `Shot`.

        Raises:
            CameraError: the camera is of another size than the image.
            FrameError: the model cannot read the image.
        """
        (frame,) = self._predict([self._prepare(Shot(rgb, camera, into, rotation, self._memory(rgb)))])
        return frame

    @torch.inference_mode()
    def estimate_batch(self, shots: Sequence[Shot]) -> list[Frame | Exception]:
        """Depth of several images, those of one size in one batch of the network.

        Returns:
            For each shot its frame, or why there is none: a FrameError for a bad image, anything else for what went
            wrong in the model, such as too little memory for the batch. It costs the others nothing but time, and holds
            none of the images.
        """
        found: list[Frame | Exception | None] = [None] * len(shots)
        batches: dict[tuple[int, int, int], list[int]] = {}
        images: dict[int, _Image] = {}
        of_memory: Counter[int] = Counter()
        for index, shot in enumerate(shots):
            try:
                images[index] = self._prepare(shot)
                height, width = images[index][0].shape[:2]
                batches.setdefault((of_memory[id(shot.memory)], width, height), []).append(index)
                of_memory[id(shot.memory)] += shot.memory is not None  # its next image waits for this one
            except Exception as error:
                found[index] = detached(error)
        for _, batch in sorted(batches.items(), key=lambda item: item[0][0]):
            for index, frame in zip(batch, self._predict_each([images[index] for index in batch]), strict=True):
                found[index] = frame
        return [frame for frame in found if frame is not None]

    def _prepare(self, shot: Shot) -> _Image:
        """The image on the device, rectified where that is asked for, and the camera that goes with it."""
        height, width = shot.rgb.shape[:2]
        if shot.camera is not None:
            shot.camera.check_size(width, height)
        elif self.model.spec.needs_camera:
            raise ModelError(needs_camera(f"the model {self.model.spec.name} needs", width, height))
        check_prompts(self.model.spec, int(shot.prompt is not None), 1)
        image = upload(shot.rgb, self.model.device)
        if shot.into is None or shot.camera is None:
            return image, shot.camera, shot.memory, shot.prompt
        return rectify(image, shot.camera, shot.into, shot.rotation), shot.into, shot.memory, shot.prompt

    def _memory(self, rgb: np.ndarray | torch.Tensor) -> Memory | None:
        return None if self._history is None else self._history.at(rgb.shape[1], rgb.shape[0])

    def _predict(self, images: Sequence[_Image]) -> list[Frame]:
        full = min(self._full_batch, self._fitting.get(tuple(images[0][0].shape), self._full_batch))
        padded = [*images, *[images[-1]] * (full - len(images))]
        rgb = torch.stack([image for image, *_ in padded]) if len(padded) > 1 else images[0][0][None]
        # A model that needs no camera reads nothing but the size of it.
        stand_in = Camera.from_fov((rgb.shape[2], rgb.shape[1]), hfov_deg=60)
        cameras = [camera or stand_in for _, camera, *_ in padded]
        prompts = [prompt for *_, prompt in padded if prompt is not None]
        if is_video(self.model):
            predictions = self.model.predict(rgb, cameras, memories=[memory for _, _, memory, _ in padded])
        elif prompts:
            predictions = cast(PromptedModel, self.model).predict(rgb, cameras, prompts)
        else:
            predictions = self.model.predict(rgb, cameras)
        return [
            Frame(image, camera, prediction, self.config)
            for (image, camera, *_), prediction in zip(images, predictions[: len(images)], strict=True)
        ]

    def _predict_each(self, images: Sequence[_Image]) -> list[Frame | Exception]:
        """As many at once as fit; if the model fails at them, fewer, to lose none but those that it fails at alone."""
        shape = tuple(images[0][0].shape)
        size = min(len(images), self._fitting.get(shape, len(images)))
        if size < len(images):
            parts = (images[start : start + size] for start in range(0, len(images), size))
            return [frame for part in parts for frame in self._predict_each(part)]
        try:
            return list(self._predict(images))
        except Exception as error:
            if size == 1 or is_lost(error):
                return [detached(error)] * size
            fewer = 1
            if is_out_of_memory(error):
                fewer = 1 << (size - 1).bit_length() - 1  # engines pad batches to powers of two
                if shape not in self._fitting:
                    found = f"{size} images of {shape[1]}x{shape[0]} do not fit into the memory of {self.model.device}"
                    LOGGER.warning("%s at once: from now on they are computed in smaller batches", found)
                self._fitting[shape] = fewer
        # Out of the handler, where the error holds what the batch has left on the device.
        parts = (images[start : start + fewer] for start in range(0, size, fewer))
        return [frame for part in parts for frame in self._predict_each(part)]


_Image = tuple[torch.Tensor, Camera | None, Memory | None, Prompt | None]


def as_prompt(given: AnyPrompt | None) -> Prompt | None:
    """Known depths, from whatever holds them.

    Raises:
        DataError: a file or an array that is no depth map.
    """
    if given is None or isinstance(given, Samples):
        return given
    if isinstance(given, (str, os.PathLike)):
        return samples_from_depth(read_depth(expanded(os.fspath(given))))
    depth = np.asarray(given)
    if depth.ndim != 2 or depth.dtype.kind not in "fiu":
        raise DataError(f"the prompt is an array of shape {depth.shape}, expected a depth map (h, w) in metres")
    return samples_from_depth(depth)


def _cameras(given: Sequence[Any]) -> bool:
    return all(item is None or isinstance(item, Camera) for item in given)
