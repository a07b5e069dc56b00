# SPDX-License-Identifier: Apache-2.0
"""What the lifecycle nodes have in common: a session from configure to cleanup, parameters and diagnostics."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from contextlib import ExitStack
from typing import Any, Generic, TypeVar

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from mono_depth_ros.config import Config
from mono_depth_ros.errors import FrameError, MonoDepthError
from mono_depth_ros.nodes.ros.diagnostics import Diagnostics, Report
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.stream import Job
from mono_depth_ros.nodes.ros.worker import NewestWorker
from mono_depth_ros.streams.health import NOT_ACTIVE, WARN
from mono_depth_ros.streams.monitor import Monitor

AnyJob = TypeVar("AnyJob", bound=Job)


class Session(ABC, Generic[AnyJob]):
    """Everything that lives from one `configure` to the next `cleanup`: publishers, subscriptions, worker, model.

    A session that has ended publishes nothing, however long its worker is still busy: what comes out of it late is
    dropped for the reason `ended`, and counted by a Monitor that outlives the session.

    Attributes:
        patience_s: how long `end` waits for the worker. active: whether the node may publish at present.
    """

    patience_s = 10.0

    def __init__(self, node: LifecycleNode) -> None:
        self.node, self.active = node, False
        self._ended = False
        self._closing = ExitStack()
        self._worker: NewestWorker[AnyJob] = NewestWorker(self.work, self._superseded, self._failed)

    @abstractmethod
    def open(self) -> None:
        """Make everything that an unconfigured node lacks; what is raised fails the transition, with its words."""

    @abstractmethod
    def work(self, jobs: list[AnyJob]) -> None:
        """In the worker's thread: make results of the jobs, the newest of each stream, and publish them."""

    @abstractmethod
    def reports(self) -> list[Report]:
        """How each stream is doing, while the session is active."""

    def closing(self, close: Callable[[], object]) -> None:
        """Call `close` when the session ends; what was opened last is closed first."""
        self._closing.callback(close)

    def offer(self, job: AnyJob, source: Hashable = None, partners: int = 1, window_s: float = 0.0) -> None:
        """Hand a job to the worker, if the session is active; the arguments are those of `NewestWorker.offer`."""
        if self.active:
            self._worker.offer(job, source, partners, window_s)

    def check(self) -> None:
        """To be called before anything is published.

        Raises:
            FrameError: nothing may be published: reason `ended` or `inactive`.
        """
        if self._ended:
            raise FrameError("it was begun before the node was cleaned up", "ended")
        if not self.active:
            raise FrameError("the node was deactivated meanwhile", "inactive")

    def end(self) -> None:
        """Close everything, however much of it there is, and wait `patience_s` for the worker, but no longer."""
        self.active, self._ended = False, True
        self._closing.close()
        for job in self._worker.stop(self.patience_s):
            job.stream.refuse(FrameError("it waited for the worker when the node was cleaned up", "ended"))
        if self._worker.alive and self.node.context.ok():
            self.node.get_logger().warning(
                f"the last result is not ready after {self.patience_s:g} s: it will be dropped when it is"
            )

    def _superseded(self, job: AnyJob) -> None:
        job.stream.refuse(FrameError("a newer one came while it waited for the worker", "superseded"))

    def _failed(self, jobs: list[AnyJob], error: Exception) -> None:
        for job in jobs:
            job.stream.refuse(error)


AnySession = TypeVar("AnySession", bound=Session[Any])


class ManagedNode(LifecycleNode, Generic[AnySession]):
    """A lifecycle node that works in sessions, and says on /diagnostics how it does.

    Args:
        configs: the classes of its parameters; one of them has `autostart` and `diagnostics_period`.

    Attributes:
        session: None while the node is not configured.
        monitors: the counts of each stream, by its name; they outlive the sessions.
    """

    # destroy_node reads it, of a half-made node as well: from Kilted on, rclpy's shutdown destroys those too.
    session: AnySession | None = None

    def __init__(self, name: str, *configs: type[Config], **node_options: Any) -> None:
        super().__init__(name, **node_options)
        self.options = Parameters(self, configs, locked=lambda: self.session is not None)
        self.monitors = {stream: Monitor() for stream in self.streams()}
        period_s = float(self.get_parameter("diagnostics_period").value)
        self._diagnostics = Diagnostics(self, period_s, self._reports, self.labels)

    @abstractmethod
    def new_session(self) -> AnySession:
        """A session that is not open yet."""

    def streams(self) -> tuple[str, ...]:
        """The names of the streams; "" for the only one."""
        return ("",)

    def labels(self) -> dict[str, str]:
        """Key-value pairs that the diagnostics of all streams have in common."""
        return {}

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            self.monitors = {name: self.monitors.get(name) or Monitor() for name in self.streams()}
            self.session = self.new_session()
            self.session.open()
        except MonoDepthError as error:
            self.get_logger().fatal(str(error))
        except Exception:
            # rclpy would turn this into a state without a word. After a signal nothing can be created any more.
            if self.context.ok():
                self.get_logger().fatal(traceback.format_exc())
        else:
            return TransitionCallbackReturn.SUCCESS
        self._end()
        return TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        assert self.session is not None
        self.session.active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        assert self.session is not None
        self.session.active = False
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._end()
        return TransitionCallbackReturn.SUCCESS

    on_shutdown = on_error = on_cleanup

    def destroy_node(self) -> None:
        self._end()
        super().destroy_node()

    def _end(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            session.end()

    def _reports(self) -> list[Report]:
        if self.session is None or not self.session.active:
            return [Report(name, monitor, lambda *_: (WARN, NOT_ACTIVE)) for name, monitor in self.monitors.items()]
        return self.session.reports()
