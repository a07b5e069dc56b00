# SPDX-License-Identifier: Apache-2.0
"""What a callback raises costs that callback, and not the node: said once, counted, told on /diagnostics."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.exceptions import ParameterNotDeclaredException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from mono_depth_ros.errors import ConfigError, MonoDepthError, shown
from mono_depth_ros.nodes.ros.burst import Burst, own_take_of
from mono_depth_ros.nodes.ros.qos import OUTPUT
from mono_depth_ros.nodes.ros.timers import every
from mono_depth_ros.streams.health import WARN, internal_errors, same_name

_KINDS = 20  # that are told apart; the others are counted together
_PERIOD_S = 1.0  # between two messages on /diagnostics
_PAUSE_S = 0.01  # after an error, so that one which comes again at once does not take a whole core
_NAMES_S = 2.0  # between two looks at the graph
_SENTENCE = 500  # characters of a refusal that may quote what others wrote
_TYPES = frozenset(kind.value for kind in Parameter.Type)


class Fatal(Exception):
    """Raised in a callback `from` the error that the node cannot go on after, which then ends the process."""


def end_process(node: Node, error: MonoDepthError) -> None:
    """Have the process of a node end by an error, from any thread; a node that does not spin goes on."""

    def fail() -> None:
        raise Fatal from error

    if node.executor is not None:
        node.executor.create_task(fail)


class CallbackErrors:
    """The errors of a node's callbacks by kind, which is the type and the line that raised it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._counts: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """How many there were."""
        return self._counts.total()

    def caught(self, error: Exception) -> None:
        """Count an error. Its kind is logged with the traceback when it comes first, and told on /diagnostics since."""
        place = traceback.extract_tb(error.__traceback__)[-1:]
        kind = type(error).__name__ + "".join(f" in {Path(frame.filename).name}:{frame.lineno}" for frame in place)
        if kind not in self._counts and len(self._counts) >= _KINDS:
            kind = "another"
        if not self._counts:
            self._publisher = self._node.create_publisher(DiagnosticArray, "/diagnostics", OUTPUT)
            every(self._node, _PERIOD_S, self._tell)
        self._counts[kind] += 1
        if self._counts[kind] == 1:
            lines = marked_traceback(error)
            self._node.get_logger().error(f"{internal_errors(kind, self.total)}; said once for each kind\n{lines}")

    def _tell(self) -> None:
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        status = DiagnosticStatus(
            level=bytes([WARN]),
            name=f"{self._node.get_fully_qualified_name().lstrip('/')}: callbacks",
            message=internal_errors(next(reversed(self._counts)), self.total),
            hardware_id="mono_depth_ros",
            values=[KeyValue(key=kind, value=str(count)) for kind, count in self._counts.items()],
        )
        message.status.append(status)
        self._publisher.publish(message)


def marked_traceback(error: BaseException) -> str:
    """Line by line with a mark: what the error says may have line breaks of its own, which forge no line of the log."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(f"| {shown(line, _SENTENCE)}" for line in lines)


class GuardedExecutor(SingleThreadedExecutor):
    """Goes on after what a callback raises, or rclpy itself, such as for a message that it cannot read.

    Args:
        caught: gets those errors. KeyboardInterrupt, SystemExit, the shutdown of ROS and the cause of a
            Fatal still end the spinning.
    """

    def __init__(self, caught: Callable[[Exception], None]) -> None:
        super().__init__()
        self._caught, self._burst, self._ready = caught, Burst(self), False

    def spin_once(self, timeout_sec: float | None = None) -> None:
        try:
            super().spin_once(timeout_sec)
            if self._ready:
                self._ready = False
                self._burst.follow(lambda: self.context.ok() and not self._tasks_wait())
        except ExternalShutdownException:
            raise
        except Fatal as fatal:
            raise fatal.__cause__ or fatal from None
        except Exception as error:
            if not self.context.ok():
                raise ExternalShutdownException from error  # it is the echo of a signal
            self._caught(error)
            time.sleep(_PAUSE_S)

    def _take_subscription(self, sub: Any) -> Any:
        """What an Input takes itself is left for the burst: what raised here would end the subscription."""
        if own_take_of(sub) is None:
            return super()._take_subscription(sub)
        self._ready = True
        return None

    def _tasks_wait(self) -> bool:
        return any(not task.done() for task, *_ in self._tasks)


class GuardedNode(Node):
    """A node that answers every request: a service whose callback raises says no, with a sentence where it has room.

    It also says once when another node has its name.

    Attributes:
        errors: of its callbacks.
        checked: parameters that are to be set as they are to be kept; a ConfigError refuses them.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.errors = CallbackErrors(self)  # before rclpy creates its own services
        self.checked: Callable[[list[Parameter]], list[Parameter]] = list
        super().__init__(*arguments, **options)
        self._names_timer = every(self, _NAMES_S, self._look_at_names)

    def create_service(self, srv_type: Any, srv_name: str, callback: Callable[..., Any], **options: Any) -> Any:
        answer = _ANSWERS.get(srv_type, _answer)
        return super().create_service(srv_type, srv_name, partial(answer, self.errors, callback), **options)

    def set_parameters(self, parameter_list: list[Parameter]) -> list[SetParametersResult]:
        return [self.set_parameters_atomically([parameter]) for parameter in parameter_list]

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        try:
            return super().set_parameters_atomically(self.checked(parameter_list))
        except (ConfigError, ParameterNotDeclaredException) as error:
            return SetParametersResult(successful=False, reason=str(error))

    def _look_at_names(self) -> None:
        own = (self.get_name(), self.get_namespace())
        if self.get_node_names_and_namespaces().count(own) > 1:
            self.get_logger().warning(same_name(self.get_fully_qualified_name()))
            self._names_timer.cancel()


def _answer(errors: CallbackErrors, callback: Callable[..., Any], request: Any, response: Any) -> Any:
    try:
        return callback(request, response)
    except Exception as error:
        errors.caught(error)
        return _refusal(type(response)(), f"an internal error: {type(error).__name__}: {error}")


def _refusal(response: Any, sentence: str) -> Any:
    """`success` is false in a new response."""
    if hasattr(response, "message"):
        response.message = shown(sentence, _SENTENCE)
    if hasattr(response, "result"):
        response.result = SetParametersResult(successful=False, reason=shown(sentence, _SENTENCE))
    return response


def _set_together(errors: CallbackErrors, callback: Callable[..., Any], request: Any, response: Any) -> Any:
    for parameter in request.parameters:
        if parameter.value.type not in _TYPES:
            found = f"{shown(parameter.name)} is a value of the unknown type {parameter.value.type}"
            return _refusal(response, f"{found}, expected 1 to {max(_TYPES)} of rcl_interfaces/msg/ParameterType")
    return _answer(errors, callback, request, response)


def _set_each(errors: CallbackErrors, callback: Callable[..., Any], request: Any, response: Any) -> Any:
    # One by one: rclpy would answer for none of them where one raises, though some are set.
    def set_one(one: Any, answer: Any) -> Any:
        (answer.result,) = callback(SetParameters.Request(parameters=one.parameters), SetParameters.Response()).results
        return answer

    for parameter in request.parameters:
        one = SetParametersAtomically.Request(parameters=[parameter])
        response.results.append(_set_together(errors, set_one, one, SetParametersAtomically.Response()).result)
    return response


_ANSWERS = {SetParameters: _set_each, SetParametersAtomically: _set_together}
