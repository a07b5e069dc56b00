# SPDX-License-Identifier: Apache-2.0
"""A model that is its network and its declaration: what most families are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from mono_depth_ros.errors import ModelError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.models.base import DepthModel, ModelSpec
from mono_depth_ros.models.postprocess import postprocess
from mono_depth_ros.models.preprocess import image_input, layout
from mono_depth_ros.models.processing import Processing
from mono_depth_ros.models.runtime.engine import EngineOptions, GraphFile, Inputs, Network
from mono_depth_ros.models.runtime.engine_model import EngineModel
from mono_depth_ros.prediction import DepthPrediction


class DeclaredModel(EngineModel):
    """`DepthModel` whose images and outputs go through its `Processing`."""

    def __init__(
        self, spec: ModelSpec, network: Network | GraphFile, processing: Processing, options: EngineOptions
    ) -> None:
        """`network` has the inputs and outputs that `processing` names.

        Raises:
            ModelError: see `make_engine`.
        """
        self.processing = processing
        keys = {name: key for key, name in processing.outputs.wanted.items()}
        self._keys = [keys.get(name) for name in network.outputs]
        super().__init__(spec, network, options)

    def preprocess(self, rgb: Tensor, cameras: Sequence[Camera]) -> Inputs:
        """The image as the network reads it.

        Raises:
            ImageError: reason `image_shape`, see `layout`.
        """
        image = self.processing.input
        return (image_input(rgb, image, layout(rgb.shape[2], rgb.shape[1], image)),)

    def postprocess(self, outputs: Inputs, cameras: Sequence[Camera]) -> list[DepthPrediction]:
        """Predictions at the size of the cameras.

        Raises:
            ModelError: see `postprocess`.
        """
        place = layout(cameras[0].width, cameras[0].height, self.processing.input)
        named = {key: value for key, value in zip(self._keys, outputs, strict=True) if key is not None}
        if len(cameras) == 1:  # a graph for one image may leave out the batch's axis
            return [postprocess(named, self.processing, cameras[0], place)]
        for key, value in named.items():
            if value.ndim == 0 or len(value) != len(cameras):
                found = f"{self.processing.outputs.wanted[key]} of shape {tuple(value.shape)}"
                raise ModelError(f"the graph gives {found} for {len(cameras)} images, expected a batch of as many")
        return [
            postprocess({key: value[index] for key, value in named.items()}, self.processing, camera, place)
            for index, camera in enumerate(cameras)
        ]


def contract_of(model: DepthModel) -> Processing:
    """The contract to put beside a model's exported graph, with which the graph can be loaded by its path.

    Raises:
        ModelError: its processing is none that a contract can describe.
    """
    spec = model.spec
    if not isinstance(model, DeclaredModel):
        why = getattr(model, "no_contract", "its processing is its own")
        raise ModelError(
            f"{spec.name} has no contract for its ONNX file, as {why}: expected a model that is its network and its "
            "declaration"
        )
    return replace(model.processing, family=spec.family, licence=spec.licence)
