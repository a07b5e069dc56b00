# SPDX-License-Identifier: Apache-2.0
"""How every node starts, spins and stops."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from mono_depth_ros.errors import SENTENCE, DeviceLostError, MonoDepthError, shown
from mono_depth_ros.nodes.ros.guard import GuardedExecutor, GuardedNode
from mono_depth_ros.nodes.ros.lifecycle import ManagedNode
from mono_depth_ros.nodes.ros.middleware import bring_profile, say_profile
from mono_depth_ros.startup import Ending, ending, exit_code


class LogBridge(logging.Handler):
    """Sends what the core logs with `logging` to the ROS log of one node."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self._node, self._logger = node, node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        if not self._node.context.ok():
            return  # a signal has come: /rosout is gone
        # rclpy refuses one call site with two severities, hence one line for each.
        message = shown(self.format(record), SENTENCE)
        if record.levelno >= logging.ERROR:
            self._logger.error(message)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(message)
        elif record.levelno >= logging.INFO:
            self._logger.info(message)


def run(create: Callable[[], GuardedNode], args: list[str] | None = None) -> int:
    """Start ROS, create the node, bring it up, spin until a signal. Returns the exit code of the process."""
    with ending() as signalled:
        code = _run(create, args, signalled)
    if signalled.number is not None:
        return exit_code(signalled.number)
    if code == DeviceLostError.exit_code:  # what lies on the device would be freed at last, which aborts
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _run(create: Callable[[], GuardedNode], args: list[str] | None, signalled: Ending) -> int:
    node = None
    bridge = None
    try:
        bring_profile()
        # At a signal rclpy shuts its context down, in a thread: from then on everything of ROS raises or returns.
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.ALL)
        if signalled.number is not None:
            return 0
        node = create()
        say_profile(node)
        executor = GuardedExecutor(node.errors.caught)
        executor.add_node(node)
        bridge = _attach_log(node)
        starting = None
        if isinstance(node, ManagedNode) and node.get_parameter("autostart").value:
            starting = executor.create_task(node.bring_up)
        while rclpy.ok():
            executor.spin_once()
            if starting is not None and starting.done():
                if not starting.result():
                    return 1 if rclpy.ok() else 0
                starting = None
    except ExternalShutdownException:
        pass
    except MonoDepthError as error:
        logger = node.get_logger() if node else get_logger("mono_depth_ros")
        logger.fatal(str(error))
        return error.exit_code
    except Exception:
        if rclpy.ok():
            raise  # otherwise it is the echo of a signal that came while something was being published
    finally:
        if bridge is not None:
            logging.getLogger("mono_depth_ros").removeHandler(bridge)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _attach_log(node: Node) -> LogBridge:
    bridge = LogBridge(node)
    logger = logging.getLogger("mono_depth_ros")
    logger.addHandler(bridge)
    logger.setLevel(logging.INFO)
    return bridge
