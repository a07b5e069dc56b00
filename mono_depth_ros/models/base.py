# SPDX-License-Identifier: Apache-2.0
"""What is known of a model by its name, and what every model offers to the rest of the package once it is loaded."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mono_depth_ros.errors import CameraError, ModelError, shown
from mono_depth_ros.models.catalogue import CATALOGUE, CatalogueEntry
from mono_depth_ros.paths import expanded
from mono_depth_ros.prediction import DepthKind, DepthPrediction, Prompt

if TYPE_CHECKING:  # as in prediction.py: the catalogue is read without torch
    import torch

    from mono_depth_ros.geometry.camera import Camera


@dataclass(frozen=True)
class ModelSpec:
    """What is known of a model before it is loaded.

    Attributes:
        name: catalogue name, or the path or hub name it was loaded from.
        family: "tiny", "depth_anything_v2", ...
        kind: what its output means.
        licence: of the weights, as an SPDX name or in words.
        max_depth_m: the largest depth a metric head can give, None where there is no such bound.
        needs_camera: True where the intrinsics change the result.
        hub: hub repository of the weights, "" where they are shipped or a local path.
        confidence: True where its predictions have a confidence. normals: likewise.
        needs_prompt: True where it takes known depths beside the image, without which it gives nothing.
        video: True where its depth follows from the images before too: see `memory.VideoModel`.
    """

    name: str
    family: str
    kind: DepthKind
    licence: str
    max_depth_m: float | None = None
    needs_camera: bool = False
    hub: str = ""
    confidence: bool = False
    normals: bool = False
    needs_prompt: bool = False
    video: bool = False

    @classmethod
    def of(cls, entry: CatalogueEntry) -> ModelSpec:
        """What the catalogue says of a model."""
        return cls(
            entry.name,
            entry.family,
            DepthKind(entry.kind),
            entry.licence,
            entry.max_depth_m,
            entry.needs_camera,
            entry.hub,
            entry.confidence,
            entry.normals,
            entry.needs_prompt,
            entry.video,
        )


def list_models() -> list[ModelSpec]:
    """The models that `load_model` knows by name: `name`, `kind`, `licence` of the weights, `needs_camera`, ...; any
    other is given by its path or its hub name."""
    return [ModelSpec.of(entry) for entry in CATALOGUE.values()]


def find(name: str) -> CatalogueEntry | None:
    """The catalogue's entry, by its name or that of its hub repository; None for a path or another hub name.

    Raises:
        ModelError: it is none of these; names what comes close and what there is.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    repository, revision = hub_name(name)
    found = [entry for entry in CATALOGUE.values() if repository and entry.hub == repository]
    if found and revision in ("", found[0].revision):
        if len(found) > 1:
            names = ", ".join(entry.name for entry in found)
            raise ModelError(f"{name} holds several models, expected one of: {names}")
        return found[0]
    if name and _exists(name):
        return None
    if name.startswith(("/", ".", "~")) or name.endswith((".onnx", ".pth", ".pt", ".ckpt")):
        raise ModelError(f"model '{shown(name, 500)}': there is no such file or directory")
    if repository:
        return None
    close = difflib.get_close_matches(name.lower().replace("-", "_"), CATALOGUE, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(close)}?" if close else "."
    raise ModelError(
        f"model '{shown(name)}' is not known{hint} Expected a checkpoint's path, a hub name organisation/repository, "
        f"or one of: {', '.join(CATALOGUE)}"
    )


def hub_name(name: str) -> tuple[str, str]:
    """Repository and revision of `organisation/repository` or `organisation/repository@revision`.

    "" where it is neither: a catalogue name, or a path that says it is one. The revision is a commit, branch or tag, or
    "" where none is named.
    """
    parts = re.fullmatch(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(\w[\w./-]*))?", name)
    return ("", "") if parts is None else (parts[1], parts[2] or "")


def _exists(name: str) -> bool:
    try:
        return expanded(name).exists()
    except (OSError, RuntimeError, ValueError):  # too long, forbidden, the home of nobody, a null character
        return False


class DepthModel(Protocol):
    """A loaded model. Everything stays on `device`; the caller decides what comes back to the host."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def engine(self) -> str:
        """What runs the network, such as "openvino bf16"."""
        ...

    def predict(self, rgb: torch.Tensor, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Depth of a batch of images of one size.

        Args:
            rgb: (N, H, W, 3) uint8, any device; it is moved to `device`.
            cameras: one for each image, of size W x H.

        Returns:
            N predictions at the source size (H, W), float32 on `device`.
        """
        ...


class PromptedModel(DepthModel, Protocol):
    """A model that may need a prompt, which `spec.needs_prompt` says."""

    def predict(
        self, rgb: torch.Tensor, cameras: Sequence[Camera], prompts: Sequence[Prompt] = ()
    ) -> list[DepthPrediction]:
        """As of `DepthModel`, with a prompt for each image where it needs them, and with none where it does not."""
        ...


def check_batch(
    rgb: torch.Tensor, cameras: Sequence[Camera], prompts: Sequence[Prompt] = (), spec: ModelSpec | None = None
) -> None:
    """Raise unless these are what `DepthModel.predict` takes.

    Raises:
        ModelError: `rgb` is not (N, H, W, 3) uint8 or empty, or there are not N cameras, and N prompts of a model
            that needs them.
        CameraError: a camera of another size than the images, reason `camera_info_size`.
    """
    import torch

    if rgb.ndim != 4 or rgb.shape[-1] != 3 or rgb.dtype != torch.uint8 or not rgb.numel():
        raise ModelError(f"rgb is {tuple(rgb.shape)} {rgb.dtype}, expected (N, H, W, 3) torch.uint8, none of them 0")
    if len(cameras) != len(rgb):
        raise ModelError(f"found {len(cameras)} cameras for {len(rgb)} images, expected one for each")
    if spec is not None:
        check_prompts(spec, len(prompts), len(rgb))
    height, width = rgb.shape[1:3]
    for camera in cameras:
        if (camera.width, camera.height) != (width, height):
            found = f"the image is {width}x{height}, its camera {camera.width}x{camera.height}"
            raise CameraError(f"{found}: expected the same size", "camera_info_size")


def check_prompts(spec: ModelSpec, found: int, images: int) -> None:
    """Raise ModelError unless there is a prompt for each image of a model that needs one, and none of others."""
    if spec.needs_prompt and found != images:
        raise ModelError(
            f"the model {spec.name} needs a prompt for each image, known depths such as a lidar's, found {found} for "
            f"{images}: alignment_model of the alignment node takes its reference for it, --prompt and prompt= a file"
        )
    if found and not spec.needs_prompt:
        raise ModelError(f"the model {spec.name} takes no prompt: known depths align its depth afterwards")
