# SPDX-License-Identifier: Apache-2.0
"""The depth node: image and camera_info in, metric depth, camera_info, cloud and colour view out."""

from __future__ import annotations

import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mono_depth_ros.config import DepthConfig, DepthNodeConfig, ModelConfig
from mono_depth_ros.errors import CameraError, FrameError, MonoDepthError
from mono_depth_ros.messages import bridge
from mono_depth_ros.messages.compressed import decode_compressed
from mono_depth_ros.messages.image import decode_image
from mono_depth_ros.messages.stamps import stamp_ns
from mono_depth_ros.models.loading import load_model
from mono_depth_ros.nodes.cameras import CameraInfos
from mono_depth_ros.nodes.depth_outputs import create_outputs, publish_frame
from mono_depth_ros.nodes.diagnostics import Diagnostics
from mono_depth_ros.nodes.health import Facts
from mono_depth_ros.nodes.monitor import Monitor
from mono_depth_ros.nodes.parameters import Parameters
from mono_depth_ros.nodes.publishing import Outputs
from mono_depth_ros.nodes.qos import INPUT, overridable, own
from mono_depth_ros.nodes.runtime import run
from mono_depth_ros.nodes.topics import input_topics
from mono_depth_ros.nodes.worker import NewestWorker
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.prediction import DepthKind

_LOG_PERIOD_S = 5.0  # between two log lines about the same reason


@dataclass(frozen=True)
class Job:
    """An image message and when its callback ran (time.monotonic)."""

    message: Any
    received_s: float


class DepthNode(LifecycleNode):
    """See the README for topics and parameters; `config.py` has the defaults."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("depth", **node_options)
        # What destroy_node reads comes first: from Kilted on, rclpy's shutdown destroys half-made nodes as well.
        self._pipeline: Pipeline | None = None
        self._outputs: Outputs | None = None
        self._inputs: list[Any] = []
        self._worker: NewestWorker[Job] | None = None
        self._active = False
        self._options = Parameters(
            self,
            (ModelConfig, DepthConfig, DepthNodeConfig),
            locked=lambda: self._pipeline is not None,
            on_change=self._apply,
        )
        config = self._options.get(DepthNodeConfig)
        self._image_topic, self._info_topic = input_topics(self, config.image_transport)
        self._monitor = Monitor()
        self._logged: dict[str, float] = {}
        self._camera_problem = self._input_conflict = self._output_conflict = ""
        self._diagnostics = Diagnostics(self, self._monitor, config.diagnostics_period, self._facts, self._labels)

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            self._set_up()
        except MonoDepthError as error:
            self.get_logger().fatal(str(error))
        except Exception:
            # rclpy would turn this into a state without a word. After a signal nothing can be created any more.
            if self.context.ok():
                self.get_logger().fatal(traceback.format_exc())
        else:
            return TransitionCallbackReturn.SUCCESS
        self._tear_down()
        return TransitionCallbackReturn.FAILURE

    def _set_up(self) -> None:
        config = self._options.get(DepthNodeConfig)
        model = load_model(self._options.get(ModelConfig))
        self._pipeline = Pipeline(model, self._options.get(DepthConfig))
        bridge.cv_bridge()  # looked for once, and not while the first frame waits
        self._outputs = create_outputs(self, model.spec.kind, config.rectify, self._on_output_conflict)
        self._image_topic, self._info_topic = input_topics(self, config.image_transport)
        self._cameras = CameraInfos(config.rectified, config.rectify)
        self._worker = NewestWorker(self._process, self._superseded, self._failed)
        image_type = CompressedImage if config.image_transport == "compressed" else Image
        self._inputs = [
            self.create_subscription(
                kind,
                topic,
                callback,
                own(INPUT),
                event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_input_conflict),
                qos_overriding_options=overridable(),
            )
            for kind, topic, callback in (
                (CameraInfo, self._info_topic, self._on_camera_info),
                (image_type, self._image_topic, self._on_image),
            )
        ]
        self.get_logger().info(f"{model.spec.name} on {model.device}: {self._image_topic} with {self._info_topic}")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._active = False
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._tear_down()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._tear_down()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        self._tear_down()
        super().destroy_node()

    def _tear_down(self) -> None:
        self._active = False
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        if self._worker is not None:
            self._worker.stop()
        if self._outputs is not None:
            self._outputs.destroy()
        self._inputs, self._worker, self._outputs, self._pipeline = [], None, None, None

    # Callbacks

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._cameras.add(message)

    def _on_image(self, message: Any) -> None:
        received_s = time.monotonic()
        self._input_conflict = ""
        back_ns = self._monitor.received(stamp_ns(message.header.stamp))
        if back_ns:
            self._drop("time_backwards", f"time jumped back by {back_ns / 1e9:.3f} s: a bag that loops?")
        elif self._active and self._wanted() and self._worker is not None:
            self._worker.offer(Job(message, received_s))

    def _process(self, job: Job) -> None:
        """In the worker's thread: decode, estimate, publish."""
        pipeline, outputs = self._pipeline, self._outputs
        if pipeline is None or outputs is None or not self._active:
            return
        header, config = job.message.header, self._options.get(DepthNodeConfig)
        try:
            with self._monitor.stage("decode"):
                decode = decode_compressed if config.image_transport == "compressed" else decode_image
                rgb = decode(job.message)
                calibration = self._cameras.match(stamp_ns(header.stamp), rgb.shape[1], rgb.shape[0])
            with self._monitor.stage("estimate"):
                frame = pipeline.estimate(rgb, calibration.camera, calibration.into, calibration.rotation)
            publish_frame(outputs, self._monitor, header, frame, calibration, config.depth_encoding)
        except FrameError as error:
            self._camera_problem = str(error) if isinstance(error, CameraError) else ""
            self._drop(error.reason, str(error))
            return
        self._camera_problem = self._output_conflict = ""
        age_s = (self.get_clock().now() - Time.from_msg(header.stamp)).nanoseconds / 1e9
        self._monitor.published(time.monotonic() - job.received_s, age_s)

    def _superseded(self, job: Job) -> None:
        self._monitor.dropped("superseded", "a newer image came while the network was busy")

    def _failed(self, error: Exception) -> None:
        self._drop("internal_error", f"{type(error).__name__}: {error}")

    def _on_input_conflict(self, event: Any) -> None:
        self._input_conflict = (
            f"QoS mismatch: a publisher of {self._image_topic} or {self._info_topic} offers less than the "
            "qos_overrides of this node ask for; remove them, the default matches every publisher"
        )

    def _on_output_conflict(self, topic: str) -> None:
        self._output_conflict = (
            f"QoS mismatch: a subscriber of {topic} asks for more than reliable and volatile; "
            "ask for less there, or set qos_overrides here"
        )

    # Parts

    def _apply(self) -> None:
        if self._pipeline is not None:
            self._pipeline.config = self._options.get(DepthConfig)

    def _wanted(self) -> bool:
        lazy = self._options.get(DepthNodeConfig).lazy
        return self._outputs is not None and (not lazy or self._outputs.subscribers() > 0)

    def _drop(self, reason: str, sentence: str) -> None:
        self._monitor.dropped(reason, sentence)
        now = time.monotonic()
        if now - self._logged.get(reason, -_LOG_PERIOD_S) >= _LOG_PERIOD_S:
            self._logged[reason] = now
            self.get_logger().warning(f"frame dropped ({reason}): {sentence}")

    def _facts(self) -> Facts:
        config, pipeline, outputs = self._options.get(DepthNodeConfig), self._pipeline, self._outputs
        relative = pipeline is not None and pipeline.model.spec.kind is not DepthKind.METRIC
        return Facts(
            active=self._active,
            image_topic=self._image_topic,
            image_publishers=self.count_publishers(self._image_topic),
            qos_conflict=self._input_conflict or self._output_conflict,
            camera_info_topic=self._info_topic,
            camera_info_known=pipeline is not None and self._cameras.known(),
            camera_problem=self._camera_problem,
            subscribers=outputs.subscribers() if outputs is not None else 0,
            lazy=config.lazy,
            timeout_s=config.input_timeout,
            relative_only=(
                "relative model: depth/inverse has no metres; align it with a reference or choose a metric model"
                if relative
                else ""
            ),
        )

    def _labels(self) -> dict[str, str]:
        if self._pipeline is None:
            return {"model": self._options.get(ModelConfig).model, "device": "not loaded"}
        model = self._pipeline.model
        return {"model": model.spec.name, "device": str(model.device), "licence of the weights": model.spec.licence}


def main() -> int:
    """Entry point of `ros2 run mono_depth_ros depth_node`."""
    return run(DepthNode)


if __name__ == "__main__":
    sys.exit(main())
