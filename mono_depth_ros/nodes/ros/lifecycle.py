# SPDX-License-Identifier: Apache-2.0
"""What the lifecycle nodes have in common: set up as a whole or not at all, and torn down whatever ends them."""

from __future__ import annotations

import traceback

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from mono_depth_ros.errors import MonoDepthError


class ManagedNode(LifecycleNode):
    """A child says what `_set_up` makes and `_tear_down` takes away; `_active` tells whether it may work.

    `_tear_down` must do with a node that is half made: from Kilted on, rclpy's shutdown destroys such nodes as well.
    """

    _active = False

    def _set_up(self) -> None:
        """Make everything that an unconfigured node lacks; what is raised fails the transition, with its words."""
        raise NotImplementedError

    def _tear_down(self) -> None:
        """Take it away again, however much of it there is."""
        raise NotImplementedError

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
        self._stop()
        return TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._active = False
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        self._stop()
        super().destroy_node()

    def _stop(self) -> None:
        self._active = False
        self._tear_down()
