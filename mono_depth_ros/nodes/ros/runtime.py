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

from mono_depth_ros.errors import DeviceLostError, MonoDepthError
from mono_depth_ros.nodes.ros.guard import GuardedExecutor, GuardedNode
from mono_depth_ros.nodes.ros.lifecycle import ManagedNode
from mono_depth_ros.nodes.ros.middleware import bring_profile, say_profile
from mono_depth_ros.nodes.ros.timers import every
from mono_depth_ros.startup import interrupts_between_imports, uninterrupted

EXIT_WITH_PARENT = "MONO_DEPTH_ROS_EXIT_WITH_PARENT"
"""Environment variable: when it is "1" the node shuts down as soon as the process that started it is gone."""


class LogBridge(logging.Handler):
    """Sends what the core logs with `logging` to the ROS log of one node."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self._logger = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        # rclpy refuses one call site with two severities, hence one line for each.
        message = self.format(record)
        if record.levelno >= logging.ERROR:
            self._logger.error(message)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(message)
        elif record.levelno >= logging.INFO:
            self._logger.info(message)


def run(create: Callable[[], GuardedNode], args: list[str] | None = None) -> int:
    """Start ROS, create the node, bring it up, spin until a signal. Returns the exit code of the process."""
    with interrupts_between_imports():
        code = _run(create, args)
    if code == DeviceLostError.exit_code:  # what lies on the device would be freed at last, which aborts
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _run(create: Callable[[], GuardedNode], args: list[str] | None) -> int:
    node = None
    bridge = None
    try:
        bring_profile()
        rclpy.init(args=args)
        node = create()
        say_profile(node)
        executor = GuardedExecutor(node.errors.caught)
        executor.add_node(node)
        bridge = _attach_log(node)
        _watch_parent(node)
        starting = None
        if isinstance(node, ManagedNode) and node.get_parameter("autostart").value:
            starting = executor.create_task(node.bring_up)
        while rclpy.ok():
            executor.spin_once()
            if starting is not None and starting.done():
                if not starting.result():
                    return 1 if rclpy.ok() else 0
                starting = None
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except MonoDepthError as error:
        logger = node.get_logger() if node else get_logger("mono_depth_ros")
        logger.fatal(str(error))
        return error.exit_code
    except Exception:
        if rclpy.ok():
            raise  # otherwise it is the echo of a signal that came while something was being published
    finally:
        try:
            _tidy_up(node, bridge)
        except KeyboardInterrupt:  # the echo of the signal that ended the spinning: rclpy hands it on a moment later
            _tidy_up(node, bridge)
    return 0


def _tidy_up(node: Node | None, bridge: LogBridge | None) -> None:
    with uninterrupted():
        if bridge is not None:
            logging.getLogger("mono_depth_ros").removeHandler(bridge)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def _attach_log(node: Node) -> LogBridge:
    bridge = LogBridge(node)
    logger = logging.getLogger("mono_depth_ros")
    logger.addHandler(bridge)
    logger.setLevel(logging.INFO)
    return bridge


def _watch_parent(node: Node) -> None:
    """`ros2 launch` killed by SIGTERM or SIGKILL leaves its nodes behind: those it started watch it themselves."""
    if os.environ.get(EXIT_WITH_PARENT) != "1":
        return
    parent = os.getppid()

    def check() -> None:
        if os.getppid() != parent:
            node.get_logger().info("the process that started this node is gone: shutting down")
            rclpy.try_shutdown()

    every(node, 0.5, check)
