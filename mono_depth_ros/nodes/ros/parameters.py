# SPDX-License-Identifier: Apache-2.0
"""ROS parameters from configuration classes: declared, documented, checked and converted in one place."""

from __future__ import annotations

import difflib
from array import array
from collections.abc import Callable
from dataclasses import Field, fields, replace
from typing import Any, TypeVar

from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from mono_depth_ros.config import Config, allowed
from mono_depth_ros.errors import ConfigError

AnyConfig = TypeVar("AnyConfig", bound=Config)


class Parameters:
    """The configuration of a node, kept equal to its ROS parameters.

    Args:
        node: declares the parameters here, one for each field of `classes`.
        classes: configuration classes; their field names must not overlap.
        locked: tells whether the node is configured, so that only dynamic parameters may change.

    Raises:
        ConfigError: an override that is out of range, of the wrong type or misspelt.
    """

    def __init__(
        self,
        node: Node,
        classes: tuple[type[Config], ...],
        locked: Callable[[], bool] = lambda: True,
    ) -> None:
        self._locked = locked
        self._options = {item.name: item for cls in classes for item in fields(cls)}
        self._owners = {item.name: cls for cls in classes for item in fields(cls)}
        values = {name: _declare(node, item) for name, item in self._options.items()}
        self._configs = {cls: cls(**{item.name: values[item.name] for item in fields(cls)}) for cls in classes}
        _refuse_unknown(node, self._options)
        node.add_on_set_parameters_callback(self._set)

    def get(self, cls: type[AnyConfig]) -> AnyConfig:
        """The current values of one configuration class, frozen."""
        return self._configs[cls]  # type: ignore[return-value]

    def _set(self, changes: list[Parameter]) -> SetParametersResult:
        updated = dict(self._configs)
        try:
            for change in changes:
                item = self._options.get(change.name)
                if item is None:
                    continue  # use_sim_time and other parameters of rclpy itself
                if self._locked() and not item.metadata["dynamic"]:
                    raise ConfigError(f"{change.name} is read when the node is configured: clean it up first")
                owner = self._owners[change.name]
                updated[owner] = replace(updated[owner], **{change.name: _converted(item, change.value)})
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._configs = updated
        return SetParametersResult(successful=True)


def _declare(node: Node, item: Field[Any]) -> Any:
    # Typing is ours: `max_depth: 10` in a YAML is an integer to ROS and ten metres to its author.
    descriptor = ParameterDescriptor(
        description=item.metadata["doc"], additional_constraints=allowed(item), dynamic_typing=True
    )
    parameter = node.declare_parameter(item.name, item.default, descriptor)
    return _converted(item, parameter.value)


def _converted(item: Field[Any], value: Any) -> Any:
    if isinstance(item.default, str) and isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return ", ".join(value)
    if isinstance(item.default, str) and (numbers := _numbers(value)):
        return " ".join(map(repr, numbers))  # an angle, or a transform as a list, where a text may be empty
    if value is None and item.default == "":
        return ""  # an empty list in a YAML or on the command line: ROS drops it, for it has no type
    integer_for_float = isinstance(item.default, float) and isinstance(value, int) and not isinstance(value, bool)
    return float(value) if integer_for_float else value


def _numbers(value: Any) -> list[int | float]:
    """A number or several, as a list; [] for anything else."""
    values = list(value) if isinstance(value, (list, tuple, array)) else [value]
    good = all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in values)
    return values if good else []


def _refuse_unknown(node: Node, options: dict[str, Field[Any]]) -> None:
    # rclpy keeps what the YAML and the command line gave, but offers no public way to list what nobody declared.
    given = node._parameter_overrides
    for name in given:
        if not node.has_parameter(name) and not name.startswith("qos_overrides."):
            close = difflib.get_close_matches(name, options, n=1)
            hint = f"did you mean {close[0]}?" if close else f"expected one of: {', '.join(options)}"
            raise ConfigError(f"parameter '{name}' is not known to {node.get_fully_qualified_name()}: {hint}")
