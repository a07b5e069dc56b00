# SPDX-License-Identifier: Apache-2.0
"""Scale and shift in a YAML file, so that a robot that saw a reference once keeps its scale without it.

scenes:
  default:            # as many scenes as one likes
    curve: inverse    # 1/depth = shift + scale * prediction; log, scale, affine: see AlignConfig.curve
    scale: 0.0123
    shift: 0.0041
    # The rest is optional.
    kind: inverse_affine                           # of the predictions: metric, inverse_affine, affine or scale
    covariance: [[1.0e-08, 0.0], [0.0, 1.0e-06]]   # of scale and shift
    far: 7.5                                       # of a prediction of depth; beyond, its ratio stays as there
    count: 412                                     # samples of the last image that was fitted
    held_out_abs_rel: 0.062                        # when it was saved
    model: depth_anything_v2_small                 # that predicted; another's scale is another
    stamp_ns: 1700000000000000000                  # of the last image that was fitted
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mono_depth_ros.alignment.result import CURVES, Curve, Fit
from mono_depth_ros.atomic import atomic_path
from mono_depth_ros.config.yaml_text import load_yaml
from mono_depth_ros.errors import ConfigError, shown
from mono_depth_ros.paths import require_file
from mono_depth_ros.prediction import DepthKind

DEFAULT_SCENE = "default"
_NEEDED = ("curve", "scale", "shift")
_OPTIONAL = ("kind", "covariance", "far", "count", "held_out_abs_rel", "model", "stamp_ns")
_COUNT = 100  # samples behind a scale of which nobody wrote it down
_UNSURE = 0.05  # relative standard deviation of a scale whose covariance nobody wrote down


@dataclass(frozen=True)
class SavedScale:
    """A fit that was kept, with what is known about it.

    Attributes:
        held_out_abs_rel: of the last image with samples held out. model: that predicted; "" where nobody said.
        kind: of the predictions; None where nobody said. stamp_ns: of the last image that was fitted.
    """

    fit: Fit
    held_out_abs_rel: float | None = None
    model: str = ""
    kind: DepthKind | None = None
    stamp_ns: int | None = None

    def check(self, kind: DepthKind, model: str = "") -> None:
        """Raise ConfigError for predictions of another kind or model, "" where it is not known, than these are of."""
        curve, own = self.fit.curve, CURVES[kind]
        if curve not in own:
            found = f"the calibration's curve is {curve.value}, expected {own[0].value}"
            raise ConfigError(f"{found}: {kind.value} depth has no metres")
        if self.kind not in (kind, None):
            raise ConfigError(f"the calibration is of {_name(self.kind)} depth, expected {_name(kind)}, which comes")
        if model and self.model and model != self.model:
            raise ConfigError(f"the calibration is of the model {self.model}, expected {model}, which predicts")


def write_scale(path: Path, saved: SavedScale, scene: str = DEFAULT_SCENE) -> None:
    """Write one scene; the others in the file stay. The file is written whole or not at all.

    Raises:
        ConfigError: a file that is there and is no saved. OSError: it cannot be written.
    """
    scenes = _read(path) if path.exists() else {}
    fit = saved.fit
    entry: dict[str, Any] = {"curve": fit.curve.value, "scale": fit.scale, "shift": fit.shift}
    if saved.kind is not None:
        entry["kind"] = _name(saved.kind)
    entry["covariance"] = fit.covariance.tolist()
    if math.isfinite(fit.far):
        entry["far"] = fit.far
    entry["count"] = fit.count
    if saved.held_out_abs_rel is not None:
        entry["held_out_abs_rel"] = saved.held_out_abs_rel
    if saved.model:
        entry["model"] = saved.model
    if saved.stamp_ns is not None:
        entry["stamp_ns"] = saved.stamp_ns
    scenes[scene] = entry
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(yaml.safe_dump({"scenes": scenes}, sort_keys=False), encoding="utf-8")


def read_scale(path: Path, scene: str = DEFAULT_SCENE) -> SavedScale:
    """One scene of a file.

    Raises:
        ConfigError: there is no such file or scene, a key is missing or misspelt, or a number is none.
    """
    scenes = _read(path)
    if scene not in scenes:
        raise ConfigError(f"{path} has no scene '{scene}', it has: {', '.join(map(str, scenes)) or 'none'}")
    entry = scenes[scene]
    where = f"scene '{scene}' of {path}"
    if not isinstance(entry, dict):
        raise ConfigError(f"{where} is {entry!r}, expected the keys {', '.join(_NEEDED)}")
    unknown = [str(key) for key in entry if key not in _NEEDED + _OPTIONAL]
    missing = [key for key in _NEEDED if key not in entry]
    if unknown or missing:
        words = [f"no {key}" for key in missing] + [f"the unknown key '{key}'" for key in unknown]
        raise ConfigError(f"{where} has {' and '.join(words)}; expected {', '.join(_NEEDED + _OPTIONAL)}")
    curves = [curve.value for curve in Curve]
    if entry["curve"] not in curves:
        raise ConfigError(f"curve in {where} is {entry['curve']!r}, expected one of: {', '.join(curves)}")
    scale, shift = _number(entry["scale"], f"scale in {where}"), _number(entry["shift"], f"shift in {where}")
    if scale <= 0:
        raise ConfigError(f"scale in {where} is {scale:g}, expected more than 0")
    unsure = [[(_UNSURE * scale) ** 2, 0.0], [0.0, max(1e-4, (_UNSURE * shift) ** 2)]]
    covariance = _covariance(entry.get("covariance", unsure), where)
    held_out = entry.get("held_out_abs_rel")
    count = _whole(entry.get("count", _COUNT), f"count in {where}")
    far = math.inf if entry.get("far") is None else _number(entry["far"], f"far in {where}")
    if far <= 0:
        raise ConfigError(f"far in {where} is {far:g}, expected more than 0")
    fit = Fit(Curve(entry["curve"]), scale, shift, covariance, 1.0, count, float("nan"), far=far)
    error = None if held_out is None else _number(held_out, f"held_out_abs_rel in {where}")
    stamp_ns = None if entry.get("stamp_ns") is None else _whole(entry["stamp_ns"], f"stamp_ns in {where}")
    return SavedScale(fit, error, str(entry.get("model") or ""), _kind(entry.get("kind"), where), stamp_ns)


def _read(path: Path) -> dict[str, Any]:
    try:
        require_file(path)
        found = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"calibration {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"calibration {path} is no YAML: {' '.join(str(error).split())}") from error
    scenes = found.get("scenes") if isinstance(found, dict) and set(found) == {"scenes"} else None
    if not isinstance(scenes, dict):
        raise ConfigError(f"calibration {path} is not of scale and shift: expected the key 'scenes' and nothing else")
    return scenes


def _number(value: Any, name: str) -> float:
    try:
        if not isinstance(value, bool) and isinstance(value, (int, float)) and math.isfinite(value):
            return float(value)
    except OverflowError:  # a whole number of 400 digits
        pass
    raise ConfigError(f"{name} is {shown(repr(value))}, expected a finite number")


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigError(f"{name} is {value!r}, expected a whole number, not negative")
    return value


def _name(kind: DepthKind | None) -> str:
    return "unknown" if kind is None else kind.value


def _kind(value: Any, where: str) -> DepthKind | None:
    names = {_name(kind): kind for kind in DepthKind}
    if value is None:
        return None
    if value not in names:
        raise ConfigError(f"kind in {where} is {value!r}, expected one of: {', '.join(names)}")
    return names[value]


def _covariance(value: Any, where: str) -> np.ndarray:
    try:
        found = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.zeros(0)
    if found.shape != (2, 2) or not np.isfinite(found).all() or (np.diag(found) < 0).any():
        raise ConfigError(f"covariance in {where} is {value!r}, expected [[a, b], [b, c]] with a and c not negative")
    return found
