# SPDX-License-Identifier: Apache-2.0
"""What the lifecycle nodes have in common: sessions by transitions, parameters and diagnostics."""

from __future__ import annotations

import contextlib
import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Generic

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.task import Future

from mono_depth_ros.config import Config
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.nodes.ros.bond import Bond, bond_of
from mono_depth_ros.nodes.ros.diagnostics import Diagnostics, Report
from mono_depth_ros.nodes.ros.guard import GuardedNode, marked_traceback
from mono_depth_ros.nodes.ros.middleware import bring_profile, say_profile
from mono_depth_ros.nodes.ros.parameters import Parameters
from mono_depth_ros.nodes.ros.session import AnySession
from mono_depth_ros.progress import Cancelled
from mono_depth_ros.startup import LEAVING_S
from mono_depth_ros.streams.health import NOT_ACTIVE, WARN, configuring
from mono_depth_ros.streams.monitor import Monitor

_SUCCESS, _FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
_REQUESTS = range(Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVE_SHUTDOWN + 1)
"""The ids of transitions that somebody may ask for; the others are for the node itself."""

_CLEANUP = ("cleanup", Transition.TRANSITION_CLEANUP)
_SHUTDOWN = ("shutdown", *range(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN, _REQUESTS.stop))


class _Loading:
    """A session that loads, waited for in the executor or in a thread.

    Args:
        wake: the executor, for whom waits there.

    Attributes:
        ended: it has loaded, or failed by `error`, or was called off. settled: the node has gone on after that.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.ended, self.settled = Future(), Future()
        self.error: Exception | None = None
        self.called_off = False
        self._wake, self._lock, self._event = wake, threading.Lock(), threading.Event()

    def end(self, error: Exception | None) -> None:
        """In any thread; the first call counts."""
        with self._lock:
            if self._event.is_set():
                return
            self.error = error
            self._event.set()
        self.resolve(self.ended)

    def call_off(self) -> None:
        """Let nobody wait for it any more."""
        self.called_off = True
        self.end(Cancelled("the model is not loaded to the end: the node is cleaned up or shut down"))

    def resolve(self, future: Future) -> None:
        """Let those go on who wait for it."""
        future.set_result(None)
        with contextlib.suppress(InvalidHandle):
            self._wake()

    def wait(self) -> None:
        """Wait for the end, outside of an executor."""
        self._event.wait()


class ManagedNode(GuardedNode, LifecycleNode, Generic[AnySession]):
    """A lifecycle node that works in sessions, and says on /diagnostics how it does.

    A configure that comes through the executor has the session loaded in its worker's thread and answers at the end;
    meanwhile everything else is served. A cleanup or shutdown calls it off.

    Args:
        configs: the classes of its parameters; one has `autostart`, `bond_timeout` and `diagnostics_period`.

    Attributes:
        session: None while the node is not configured.
        monitors: the counts of each stream, by its name; they outlive the sessions.
    """

    # destroy_node reads it, of a half-made node as well: from Kilted on, rclpy's shutdown destroys those too.
    session: AnySession | None = None
    _busy: tuple[AnySession, ...] = ()  # that have ended, and whose workers have not
    _loading: _Loading | None = None
    _called_off = False
    _bond: Bond | None = None

    def __init__(self, name: str, *configs: type[Config], **node_options: Any) -> None:
        bring_profile()
        super().__init__(name, **node_options)
        say_profile(self)
        fixed = ("autostart", "diagnostics_period")
        self.options = Parameters(self, configs, locked=lambda: self.session is not None, fixed=fixed)
        self.monitors = {stream: Monitor() for stream in self.streams()}
        period_s = float(self.get_parameter("diagnostics_period").value)
        self._diagnostics = Diagnostics(self, period_s, self._reports, self._all_labels)
        service = next(item for item in self.services if item.srv_type is ChangeState)
        service.callback = self._on_change_state  # type: ignore[assignment]
        service.callback_group = self._transitions = ReentrantCallbackGroup()  # blocks no other while it waits
        self._transitions.add_entity(service)

    @abstractmethod
    def new_session(self) -> AnySession:
        """A session that is not open yet."""

    def streams(self) -> tuple[str, ...]:
        """The names of the streams; "" for the only one."""
        return ("",)

    def labels(self) -> dict[str, str]:
        """Key-value pairs that the diagnostics of all streams have in common."""
        return {}

    async def bring_up(self) -> bool:
        """Configure and activate; False where that failed, and not where somebody called it off."""
        if await self.change_state("configure"):
            return await self.change_state("activate")
        return self._called_off

    async def change_state(self, asked: str | int) -> bool:
        """A transition by its label, such as "configure", or by its id, in the executor.

        Returns:
            Whether the node has made it: False where it does not apply to the present state, or failed.
        """
        if self._loading is not None and asked in (*_CLEANUP, *_SHUTDOWN):
            loading = self._loading
            loading.call_off()
            await loading.settled
            if asked in _CLEANUP:
                return True
            asked = "shutdown"
        available = [item[:2] for item in self._state_machine.available_transitions if item[0] in _REQUESTS]
        label = next((label for number, label in available if asked in (number, label)), "")
        if not label:
            state = self._state_machine.current_state[1]
            expected = ", ".join(f"{label} ({number})" for number, label in available) or "none"
            self.get_logger().warning(f"transition {asked!r:.100} is refused in state {state}: expected {expected}")
            return False
        if label == "configure":
            return await self._configure()
        result: TransitionCallbackReturn = getattr(self, f"trigger_{label}")()
        return result == _SUCCESS

    async def _on_change_state(self, request: Any, response: Any) -> Any:
        try:
            response.success = await self.change_state(request.transition.label or request.transition.id)
        except Exception as error:
            self.errors.caught(error)
            response.success = False
        return response

    async def _configure(self) -> bool:
        # As rclpy's own, which has no way to wait.
        self._state_machine.trigger_transition_by_id(Transition.TRANSITION_CONFIGURE, True)
        loading = self._begin()
        await loading.ended
        result = self._finish(loading)
        self._state_machine.trigger_transition_by_label(result.to_label(), True)
        loading.resolve(loading.settled)
        return result == _SUCCESS

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        loading = self._begin()
        loading.wait()
        return self._finish(loading)

    def _begin(self) -> _Loading:
        self._loading = loading = _Loading(self.executor.wake if self.executor is not None else lambda: None)
        try:
            self.monitors = {name: self.monitors.get(name) or Monitor() for name in self.streams()}
            self.session = self.new_session()
            self.session.before = self._busy = tuple(session for session in self._busy if session.busy)
            self.session.begin(loading.end)
        except Exception as error:
            loading.end(error)
        return loading

    def _finish(self, loading: _Loading) -> TransitionCallbackReturn:
        self._loading, self._called_off = None, loading.called_off
        try:
            if loading.error is not None:
                raise loading.error
            assert self.session is not None
            self.session.open()
        except Cancelled as error:
            self.get_logger().info(str(error))
        except MonoDepthError as error:
            self.get_logger().fatal(str(error))
        except Exception as error:
            # rclpy would turn this into a state without a word. After a signal nothing can be created any more.
            if self.context.ok():
                self.get_logger().fatal(marked_traceback(error))
        else:
            return _SUCCESS
        finally:
            loading.error = None
        self._end()
        return _FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._switch(True, super().on_activate, state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._switch(False, super().on_deactivate, state)

    def _switch(self, active: bool, entities: Callable[..., Any], state: LifecycleState) -> TransitionCallbackReturn:
        try:
            assert self.session is not None
            self.session.active = active
            self._bond_with_manager(active)
            result: TransitionCallbackReturn = entities(state)
        except Exception as error:  # of which rclpy says nothing
            self.errors.caught(error)
            return TransitionCallbackReturn.ERROR
        return result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._end()
        return _SUCCESS

    on_shutdown = on_error = on_cleanup

    def destroy_node(self) -> None:
        if self.session is not None:
            self.session.patience_s = min(self.session.patience_s, LEAVING_S / 2)
        self._end()
        super().destroy_node()

    def _bond_with_manager(self, active: bool) -> None:
        bond, self._bond = self._bond, None
        if bond is not None:
            bond.close()
        timeout_s = float(self.get_parameter("bond_timeout").value)
        if active and timeout_s and not self.get_parameter("autostart").value:
            self._bond = bond_of(self, timeout_s)

    def _end(self) -> None:
        session, self.session = self.session, None
        try:
            if self._bond is not None and self.context.ok():
                self._bond_with_manager(False)
            if session is not None:
                self._busy = (*self._busy, session)
                session.end()
        except Exception as error:
            self.errors.caught(error)
        self._busy = tuple(session for session in self._busy if session.busy)

    def _all_labels(self) -> dict[str, str]:
        return {**self.labels(), "internal errors": str(self.errors.total)}

    def _reports(self) -> list[Report]:
        if self.session is not None and self.session.active:
            return self.session.reports()
        sentence = NOT_ACTIVE
        if self._loading is not None and self.session is not None:
            sentence = configuring(self.session.progress)
        return [Report(name, monitor, lambda *_: (WARN, sentence)) for name, monitor in self.monitors.items()]
