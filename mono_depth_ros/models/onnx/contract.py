# SPDX-License-Identifier: Apache-2.0
"""The contract file beside an ONNX file: what the network reads and what its outputs mean, in the field's terms."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.onnx import fields
from mono_depth_ros.models.onnx.fields import about
from mono_depth_ros.models.onnx.parts import InputContract, IntrinsicsContract, OutputsContract
from mono_depth_ros.prediction import DepthKind

DOCUMENTATION = "docs/onnx_models.md in the source of mono_depth_ros"
KINDS = ("metric", "canonical", "inverse_metric", "inverse_canonical", "inverse_affine")


@dataclass(frozen=True)
class OnnxContract:
    """What a network in an ONNX file reads and gives; `f` is the focal length at the processed size."""

    kind: str = field(
        metadata=about(
            "of the depth output. `metric`: metres; `canonical`: depth = output * f / `focal_px`; `inverse_metric`: "
            "depth = 1 / output; `inverse_canonical`: depth = f / (`focal_px` * output); `inverse_affine`: relative",
            choices=KINDS,
        )
    )
    input: InputContract = field(metadata=about("the image, see below"))
    outputs: OutputsContract = field(metadata=about("see below"))
    focal_px: float | None = field(
        default=None,
        metadata=about("focal length of the canonical camera, with the canonical kinds only", unit="px", low=1e-3),
    )
    focal: str = field(
        default="fx",
        metadata=about(
            "which focal length is f: `fx`, or the `mean` of fx and fy; both scaled as the image is",
            choices=("fx", "mean"),
        ),
    )
    intrinsics: IntrinsicsContract | None = field(
        default=None, metadata=about("a second input that takes the camera, see below")
    )
    constants: dict[str, float] = field(
        default_factory=dict,
        metadata=about("further inputs, each with the number it is given always"),
    )
    family: str = field(default="onnx", metadata=about("name of the architecture, for people"))
    licence: str = field(default="not stated", metadata=about("of the weights, as an SPDX name or in words"))

    @property
    def depth_kind(self) -> DepthKind:
        """What the predictions mean."""
        return DepthKind.INVERSE_AFFINE if self.kind == "inverse_affine" else DepthKind.METRIC

    @property
    def needs_camera(self) -> bool:
        """True where the intrinsics change the result."""
        return "canonical" in self.kind or self.intrinsics is not None or self.outputs.points_shift

    @property
    def input_names(self) -> tuple[str, ...]:
        """Of all inputs, in the order in which they are given."""
        return (self.input.name, *([self.intrinsics.name] if self.intrinsics else []), *self.constants)

    def spec(self, name: str) -> ModelSpec:
        """The `ModelSpec` of the model under this name."""
        farthest = self.outputs.range_m[1] if self.outputs.range_m else math.inf
        bound = farthest if math.isfinite(farthest) else None
        return ModelSpec(
            name,
            self.family,
            self.depth_kind,
            self.licence,
            bound,
            self.needs_camera,
            confidence=bool(self.outputs.confidence),
            normals=bool(self.outputs.normals),
        )

    def check(self, where: str) -> None:
        """Raise ModelError where fields contradict each other."""
        self.input.check(f"{where}, input")
        self.outputs.check(f"{where}, outputs", self.depth_kind is DepthKind.METRIC)
        if ("canonical" in self.kind) != (self.focal_px is not None):
            found = f"kind {self.kind} {'without' if self.focal_px is None else 'with'} focal_px"
            raise ModelError(f"{where} gives {found}, expected focal_px with the canonical kinds only")
        if self.outputs.points and self.kind != "metric":
            raise ModelError(f"{where} gives points with kind {self.kind}, expected kind metric")
        if len(set(self.input_names)) != len(self.input_names):
            raise ModelError(f"{where} names an input twice ({', '.join(self.input_names)}), expected each once")

    @classmethod
    def parse(cls, content: object, where: str) -> OnnxContract:
        """From what YAML holds; `where` names the file in errors.

        Raises:
            ModelError: a key is misspelt (the nearest is named) or missing, a value of another type or out of range, or
                two fields contradict each other.
        """
        contract = fields.read(cls, content, where)
        contract.check(where)
        return contract

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> OnnxContract:
        """From a YAML file.

        Raises:
            ModelError: it cannot be read or is no YAML; or as `parse`.
        """
        path = Path(path)
        try:
            content = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
        except OSError as error:
            raise ModelError(f"contract file {path} cannot be read: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ModelError(f"contract file {path} is not YAML: {' '.join(str(error).split())}") from error
        return cls.parse(content, f"contract file {path}")

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a YAML file that `read` reads back to an equal contract. Defaults are left out."""
        with atomic_path(path) as temporary:
            temporary.write_text(self.dump(), encoding="utf-8")

    def dump(self) -> str:
        """The contract as YAML."""
        content = {key: value for key, value in fields.write(self).items() if value != {}}
        return yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120)


def contract_path(source: Path) -> Path:
    """Where the contract of an ONNX file is: beside it, with the suffix .yaml."""
    return source.with_suffix(".yaml")


def contract_of(source: Path) -> OnnxContract:
    """The contract beside an ONNX file.

    Raises:
        ModelError: there is none; or as `OnnxContract.read`.
    """
    path = contract_path(source)
    if not path.is_file():
        raise ModelError(
            f"{source} needs a contract file beside it, {path}, that says what the network reads and gives: "
            f"{DOCUMENTATION} describes it and has those of well-known models"
        )
    return OnnxContract.read(path)


class _StrictLoader(yaml.SafeLoader):
    """A key that is given twice is an error; of the two only one could hold, and nobody would be told which."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"'{twice[0]}' is given twice", node.start_mark)
        return super().construct_mapping(node, deep)
