# SPDX-License-Identifier: Apache-2.0
"""~/freeze, ~/reset, ~/save, ~/load: what a person or a mission does with scale and shift."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.alignment.scale_file import read_scale, write_scale
from mono_depth_ros.errors import ConfigError, MonoDepthError
from mono_depth_ros.paths import expanded


class AlignmentServices:
    """The services of the alignment node; each answers with success and one sentence.

    Args:
        aligner: of the present session; None while the node is not configured.
        place: (path, scene) of the calibration that save writes and load reads; path "" where none was given.
    """

    def __init__(self, node: Node, aligner: Callable[[], Aligner | None], place: Callable[[], tuple[str, str]]) -> None:
        self._session_aligner, self._place = aligner, place
        acts = {"freeze": self._freeze, "reset": self._reset, "save": self._save, "load": self._load}
        for name, act in acts.items():
            kind = SetBool if name == "freeze" else Trigger
            node.create_service(kind, f"~/{name}", partial(_answer, act))

    def _freeze(self, request: Any) -> str:
        self._aligner().freeze(request.data)
        return "scale and shift are frozen" if request.data else "scale and shift follow the reference again"

    def _reset(self, _: Any) -> str:
        self._aligner().reset()
        return "scale and shift are forgotten"

    def _save(self, _: Any) -> str:
        path, scene = self._file()
        write_scale(path, self._aligner().saved_scale(), scene)
        return f"scene '{scene}' written to {path}"

    def _load(self, _: Any) -> str:
        path, scene = self._file()
        self._aligner().load(read_scale(path, scene))
        return f"scene '{scene}' of {path} loaded"

    def _aligner(self) -> Aligner:
        aligner = self._session_aligner()
        if aligner is None:
            raise ConfigError("the node is not configured: it has no scale and shift yet")
        return aligner

    def _file(self) -> tuple[Path, str]:
        path, scene = self._place()
        if not path:
            raise ConfigError("no file to keep the calibration in: set the parameter calibration")
        return expanded(path), scene


def _answer(act: Callable[[Any], str], request: Any, response: Any) -> Any:
    try:
        response.success, response.message = True, act(request)
    except MonoDepthError as error:
        response.success, response.message = False, str(error)
    except OSError as error:
        response.success, response.message = False, f"cannot write {error.filename}: {error.strerror}"
    return response
