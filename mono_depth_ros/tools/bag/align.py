# SPDX-License-Identifier: Apache-2.0
"""Depth in the metres of a reference that was recorded beside the images, and how right it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.alignment.result import Curve, Fit
from mono_depth_ros.bags.reader import Message
from mono_depth_ros.config import AlignConfig, TrackerConfig
from mono_depth_ros.errors import DataError, MonoDepthError
from mono_depth_ros.motion.fusion import Fusion
from mono_depth_ros.pipeline import Frame
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.streams.health import untrusted
from mono_depth_ros.streams.reasons import Reasons
from mono_depth_ros.streams.references.base import Reference, ReferenceMatch, View
from mono_depth_ros.tools.bag.frames import BagFrame


class Alignment:
    """Aligns frames in their order.

    Args:
        config, tracker: as for the alignment node. reference: fixes the scale. decode: of its messages.
        state: what `state` gave in an earlier run. uncertainty: aligned frames have theirs.
        fuse: results are combined with those before, where the pose of the camera is known.

    Attributes:
        unaligned: why frames have no alignment. untrusted: of those that have one, what is wrong with it.
    """

    def __init__(
        self,
        config: AlignConfig,
        tracker: TrackerConfig,
        reference: Reference,
        decode: Callable[[Message], Any],
        state: dict[str, Any] | None = None,
        uncertainty: bool = True,
        fuse: bool = False,
    ) -> None:
        self._uncertainty = uncertainty or fuse
        self._fusion = Fusion() if fuse else None
        self._aligner = _Aligner(config, tracker)
        self._config, self._tracker = config, tracker
        self._reference, self._decode = reference, decode
        self._states: Counter[str] = Counter()
        self._problems: Counter[str] = Counter()
        self._problem = ("", "")  # of the frame at hand: a slug and a sentence
        self._sums = {"n": 0, "before": 0.0, "after": 0.0}
        self._not_fitted = ""  # why the newest samples were not; an image may have those of the image before
        self.unaligned = Reasons((state or {}).get("unaligned"))
        self.untrusted = Reasons((state or {}).get("untrusted"))
        if state:
            self._aligner.restore(state["tracker"])
            self._states, self._problems = Counter(state["states"]), Counter(state["problems"])
            self._sums, reference.given_ns = state["sums"], state["given_ns"]
            reference.restore(state.get("reference"))
            self._not_fitted = state.get("not_fitted", "")
            if self._fusion is not None:
                self._fusion.restore(state.get("fusion"))

    def add(self, frame: BagFrame) -> None:
        """Hand what came with a frame to the reference, whatever becomes of the frame."""
        self._problem = ("", "")
        for name, message in frame.inputs:
            try:
                self._reference.add(name, self._decode(message))
            except DataError as error:
                self._unusable("reference_unreadable", error)

    def align(self, frame: BagFrame) -> None:
        """Give a frame with depth its `aligned`, where there is an alignment."""
        assert frame.result is not None
        view = view_of(frame, frame.result)
        match = self._match(view)
        if match is None:
            found = self._aligner.update(view.prediction, None, view.stamp_ns, uncertainty=self._uncertainty)
        else:
            self._aligner.configure(match.align_config(self._config), match.tracker_config(self._tracker))
            found = self._aligner.update(
                view.prediction,
                match.samples,
                view.stamp_ns,
                match.fresh,
                view.rgb,
                local=match.local,
                uncertainty=self._uncertainty,
            )
        self._states[found.state] += 1
        if match is not None and match.fresh:
            self._not_fitted = found.reason
        if found.prediction is None:
            slug, sentence = self._problem if match is None else ("", self._not_fitted)
            self.unaligned.add(sentence or found.reason, slug)
            if match is not None:
                self._reference.tell_once("unaligned", f"unaligned: {found.reason}")
        if found.prediction is not None:
            prediction = self._fused(view, found.prediction)
            frame.aligned = Frame(frame.result.rgb.cpu(), view.camera, prediction, frame.result.config)
        alignment = found.alignment
        if alignment is not None and alignment.after is not None:
            self._sums["n"] += alignment.after.n
            self._sums["after"] += alignment.after.abs_rel * alignment.after.n
            self._sums["before"] += alignment.before.abs_rel * alignment.after.n if alignment.before else 0.0
            if alignment.trusted is False:
                self.untrusted.add(untrusted(alignment.after.abs_rel, self._config.max_abs_rel), "untrusted")

    def summary(self) -> dict[str, Any]:
        """AbsRel over all held-out samples, before (None for relative models) and after, and what became of frames."""
        n = self._sums["n"]
        return {
            "states": dict(self._states),
            "without_samples": dict(self._problems),
            "unaligned": self.unaligned.values(),
            "held_out_samples": n,
            "abs_rel_before": round(self._sums["before"] / n, 6) if n and self._sums["before"] else None,
            "abs_rel_after": round(self._sums["after"] / n, 6) if n else None,
            "untrusted_frames": len(self.untrusted),
        }

    def state(self) -> dict[str, Any]:
        """Everything that the next frame depends on, as JSON values, exact."""
        return {
            "tracker": self._aligner.state(),
            "states": dict(self._states),
            "problems": dict(self._problems),
            "unaligned": self.unaligned.values(),
            "untrusted": self.untrusted.values(),
            "not_fitted": self._not_fitted,
            "sums": dict(self._sums),
            "given_ns": self._reference.given_ns,
            "reference": self._reference.state(),
            "fusion": None if self._fusion is None else self._fusion.state(),
        }

    def _fused(self, view: View, aligned: DepthPrediction) -> DepthPrediction:
        """With the results before, where that is wanted and the pose of the camera is known."""
        if self._fusion is None:
            return aligned
        pose = self._reference.pose
        if pose is None:
            self._problems["fuse_no_pose"] += 1
            why = self._reference.pose_problem
            self._reference.tell_once("fuse", f"results are not combined, the pose of the camera is not known: {why}")
            return self._fusion.update(aligned, view.camera, None, view.stamp_ns)
        return self._fusion.update(aligned, view.camera, pose.matrix, view.stamp_ns, pose.world)

    def _match(self, view: View) -> ReferenceMatch | None:
        """Samples of the reference; without them the scale goes on as it is."""
        try:
            match = self._reference.samples(view)
        except MonoDepthError as error:
            self._unusable(getattr(error, "reason", "reference"), error)
            return None
        if match is None:
            self._problems["no_reference"] += 1
        return match

    def _unusable(self, reason: str, error: MonoDepthError) -> None:
        self._problems[reason] += 1
        self._problem = (reason, str(error))
        self._reference.tell_once(reason, f"reference not used ({reason}): {error}")


def view_of(frame: BagFrame, result: Frame) -> View:
    """As the alignment node has it: on the host, and of the prediction what is published of it."""
    assert result.camera is not None, "frames of recordings have a camera"
    kind = result.prediction.kind
    values = result.depth if kind is DepthKind.METRIC else result.prediction.values
    prediction = DepthPrediction(values.cpu(), kind)
    return View(frame.stamp_ns, result.camera, frame.header.frame_id, prediction, result.rgb.cpu())


class _Aligner(Aligner):
    """An aligner that can be put down and taken up again, by another process, without any difference."""

    def state(self) -> dict[str, Any]:
        with self._lock:
            values = {name: value for name, value in vars(self._tracker).items() if name != "config"}
            return {name: _to_json(value) for name, value in values.items()}

    def restore(self, state: dict[str, Any]) -> None:
        with self._lock:
            for name, value in state.items():
                setattr(self._tracker, name, _from_json(value))


def _to_json(value: Any) -> Any:
    """Python writes floats so that they are read back exactly."""
    if isinstance(value, Fit):
        return {"fit": {item.name: _to_json(getattr(value, item.name)) for item in fields(value)}}
    if isinstance(value, Curve):
        return {"curve": value.value}
    if isinstance(value, np.ndarray):
        return {"array": value.tolist()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a {type(value).__name__} in the state of the tracker: the record has no form for it")


def _from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "fit":
        return Fit(**{name: _from_json(item) for name, item in inner.items()})
    return Curve(inner) if kind == "curve" else np.array(inner, dtype=np.float64)
