# SPDX-License-Identifier: Apache-2.0
"""What a lifecycle node has from one configure to the next cleanup."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from contextlib import ExitStack
from typing import Any, Generic, TypeVar

from rclpy.lifecycle import LifecycleNode

from mono_depth_ros.errors import FrameError
from mono_depth_ros.nodes.ros.diagnostics import Report
from mono_depth_ros.nodes.ros.stream import Job, MessageStream
from mono_depth_ros.nodes.ros.worker import NewestWorker
from mono_depth_ros.progress import Cancelled, listening, tell

_LOOK_S = 0.05  # between two looks whether a worker has ended
_NICE = 5  # of the thread of clouds: where cores are few, the next image comes first

AnyJob = TypeVar("AnyJob", bound=Job)


class Session(ABC, Generic[AnyJob]):
    """Everything that lives from one `configure` to the next `cleanup`: publishers, subscriptions, workers, model.

    Two threads work, each on the newest there is: one from a message to its depth, and behind it one that makes clouds
    and pictures of the depth, for which no image ever waits.

    A session that has ended publishes nothing, however long its worker is still busy: what comes out of it late is
    dropped for the reason `ended`, and counted by a Monitor that outlives the session.

    Attributes:
        patience_s: how long `end` waits for the worker. active: whether the node may publish at present.
        before: sessions that have ended while their workers were busy.
        progress: what `load` is at, as a clause; "" before and after it.
    """

    patience_s = 2.0

    def __init__(self, node: LifecycleNode) -> None:
        self.node, self.active, self.progress = node, False, ""
        self.before: tuple[Session[Any], ...] = ()
        self._ended = False
        self._closing = ExitStack()
        self._worker: NewestWorker[AnyJob] = NewestWorker(self.work, self._superseded, self._failed)
        self._behind: NewestWorker[_Rest] = NewestWorker(
            self._publish_rest, self._left_out, lambda *_: None, "cloud-worker", _NICE
        )

    def load(self) -> None:
        """Make what takes its time, in the worker's thread, where nothing of ROS is made; others are served meanwhile.

        Here belongs all that is not to be done while a frame waits: weights, engines, and where the size of the
        camera's images is known, what is made for that size. `progress.tell` says how far it is.
        """

    def wait_for_those_before(self) -> None:
        """For a `load` that needs the memory of the one before: wait until it is free, however long a result takes."""
        while any(session.busy for session in self.before):
            tell("waiting for the last result of the model before, whose memory is needed")
            time.sleep(_LOOK_S)

    def unload(self) -> None:
        """Let go of what `load` made, at once: the next session may need the memory."""

    @abstractmethod
    def open(self) -> None:
        """Make the rest that an unconfigured node lacks; what this or `load` raises fails the transition."""

    @abstractmethod
    def work(self, jobs: list[AnyJob]) -> None:
        """In the worker's thread: make results of the jobs, the newest of each stream, and publish them."""

    @abstractmethod
    def reports(self) -> list[Report]:
        """How each stream is doing, while the session is active."""

    def begin(self, done: Callable[[Exception | None], None]) -> None:
        """Have `load` run; `done` is called in the worker's thread, with what it raised; after `end` perhaps never."""
        self.progress = "loading"
        self._worker.call(self._load, done)

    def ahead(self, function: Callable[[], None]) -> None:
        """Have the worker call this before further jobs: what frames would else wait for. An error is logged."""
        self._worker.call(lambda: self._listened(function), self._said)

    @property
    def busy(self) -> bool:
        """Whether the threads of the workers are there, and with them what they work with."""
        return self._worker.alive or self._behind.alive

    def closing(self, close: Callable[[], object]) -> None:
        """Call `close` when the session ends; what was opened last is closed first."""
        self._closing.callback(close)

    def offer(self, job: AnyJob, source: Hashable = None, partners: int = 1, window_s: float = 0.0) -> None:
        """Hand a job to the worker, if the session is active; the arguments are those of `NewestWorker.offer`."""
        if self.active:
            self._worker.offer(job, source, partners, window_s)

    def behind(self, stream: MessageStream, publish: Callable[[], None]) -> None:
        """Have the second thread make and publish what else there is of a result whose depth is out.

        Where it is busy, the next result of the stream takes the place of this one. `publish` calls `check` each time.
        """
        if self._ended:
            stream.left_out(FrameError("the node was cleaned up when its depth was out", "ended"))
        else:
            self._behind.offer((stream, publish), stream)

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
        """Close everything, however much of it there is, and wait `patience_s` for the workers, but no longer.

        A `load` that goes on is not waited for: it ends at its next `progress.tell`, or is let go of when it is done.
        """
        self.active, self._ended = False, True
        self._closing.close()
        end_s = time.monotonic() + self.patience_s
        waited = FrameError("it waited for the worker when the node was cleaned up", "ended")
        for job in self._worker.stop(0.0 if self.progress else self.patience_s):
            job.stream.refuse(waited)
        for stream, _ in self._behind.stop(max(end_s - time.monotonic(), 0.0)):
            stream.left_out(waited)
        self.unload()
        if self.busy and self.node.context.ok():
            what = "the model that loads" if self.progress else "the last result"
            self.node.get_logger().warning(f"{what} is not ready: it will be dropped when it is")

    def _load(self) -> None:
        self._listened(self.load)

    def _said(self, error: Exception | None) -> None:
        if error is not None and not isinstance(error, Cancelled):
            self.node.get_logger().warning(str(error))

    def _listened(self, function: Callable[[], None]) -> None:
        try:
            with listening(self._told):
                function()
        finally:
            if self._ended:
                self.unload()
            self.progress = ""

    def _told(self, clause: str) -> None:
        if self._ended:
            raise Cancelled("the node was cleaned up, or shut down, while it loaded its model")
        self.progress = clause

    def _superseded(self, job: AnyJob) -> None:
        job.stream.refuse(FrameError("a newer one came while it waited for the worker", "superseded"))

    def _publish_rest(self, rests: list[_Rest]) -> None:
        for stream, publish in rests:
            try:
                publish()
            except Exception as error:
                stream.left_out(error)

    def _left_out(self, rest: _Rest) -> None:
        rest[0].left_out(FrameError("a newer one came while the cloud before it was made", "superseded"))

    def _failed(self, jobs: list[AnyJob], error: Exception) -> None:
        for job in jobs:
            job.stream.refuse(error)


_Rest = tuple[MessageStream, Callable[[], None]]
AnySession = TypeVar("AnySession", bound=Session[Any])
