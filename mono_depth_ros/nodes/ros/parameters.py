# SPDX-License-Identifier: Apache-2.0
"""ROS parameters from configuration classes: declared, documented, checked and converted in one place."""

from __future__ import annotations

import difflib
import math
from array import array
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, fields, replace
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from mono_depth_ros.config import Config, allowed, check
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.nodes.ros.guard import GuardedNode

AnyConfig = TypeVar("AnyConfig", bound=Config)

_INTEGERS = 2**31 - 1  # where there is no upper limit: rqt's sliders know no larger numbers


class Parameters:
    """The configuration of a node, kept equal to its ROS parameters.

    A parameter keeps the type of its default: an integer for a float becomes a float, a list for a text becomes a text.

    Args:
        node: declares the parameters here, one for each field of `classes`.
        classes: configuration classes; their field names must not overlap.
        locked: tells whether the node is configured, so that only dynamic parameters may change; None: it always is.
        fixed: names of parameters that are read once, when the node starts.

    Attributes:
        veto: raises ConfigError for configurations that a change would lead to and that do not suit the node as it is.

    Raises:
        ConfigError: an override that is out of range, of the wrong type or misspelt.
    """

    def __init__(
        self,
        node: GuardedNode,
        classes: tuple[type[Config], ...],
        locked: Callable[[], bool] | None = None,
        fixed: Collection[str] = (),
    ) -> None:
        self._node, self._locked = node, locked
        self._options = {item.name: item for cls in classes for item in fields(cls)}
        self._owners = {item.name: cls for cls in classes for item in fields(cls)}
        self._fixed = {name for name, item in self._options.items() if name in fixed or self._is_fixed(item)}
        # rclpy keeps what the YAML and the command line gave, but would refuse `max_depth: 10`, ten metres to its
        # author, and offers no public way to list what nobody declared.
        self._aliases = {old: item.name for item in self._options.values() for old in item.metadata["aliases"]}
        given = {self._named(name): parameter.value for name, parameter in node._parameter_overrides.items()}
        values = {
            name: _converted(item, given[name]) if name in given else item.default
            for name, item in self._options.items()
        }
        self._configs = {cls: cls(**{item.name: values[item.name] for item in fields(cls)}) for cls in classes}
        for name, item in self._options.items():
            node.declare_parameter(name, values[name], self._descriptor(item), ignore_override=True)
        _refuse_unknown(node, given, self._options)
        self.veto: Callable[[Mapping[type[Config], Config]], None] = lambda _: None
        node.checked = self._checked
        node.add_on_set_parameters_callback(self._set)

    def get(self, cls: type[AnyConfig]) -> AnyConfig:
        """The current values of one configuration class, frozen."""
        return self._configs[cls]  # type: ignore[return-value]

    def _named(self, name: str) -> str:
        """The name of a parameter that may have been given by an earlier one."""
        found = self._aliases.get(name, name)
        if found != name:
            self._node.get_logger().warning(f"the parameter {name} is called {found} now")
        return found

    def _is_fixed(self, item: Field[Any]) -> bool:
        return self._locked is None and not item.metadata["dynamic"]

    def _descriptor(self, item: Field[Any]) -> ParameterDescriptor:
        descriptor = ParameterDescriptor(
            description=item.metadata["doc"], additional_constraints=allowed(item), read_only=item.name in self._fixed
        )
        low, high = item.metadata["low"], item.metadata["high"]
        if isinstance(item.default, float) and not (low is None and high is None):
            low, high = (end if given is None else float(given) for end, given in ((-math.inf, low), (math.inf, high)))
            descriptor.floating_point_range.append(FloatingPointRange(from_value=low, to_value=high))
        elif isinstance(item.default, int) and not (low is None and high is None):
            low, high = (end if given is None else int(given) for end, given in ((-_INTEGERS, low), (_INTEGERS, high)))
            descriptor.integer_range.append(IntegerRange(from_value=low, to_value=high, step=1))
        return descriptor

    def _checked(self, changes: list[Parameter]) -> list[Parameter]:
        """The changes with values of our types; before rclpy looks at them, whose words name no allowed value."""
        kept = []
        for given in changes:
            change = Parameter(self._named(given.name), given.type_, given.value)
            item = self._options.get(change.name)
            if item is None:
                if not self._node.has_parameter(change.name):
                    raise ConfigError(_unknown(self._node, change.name, self._options))
                kept.append(change)  # use_sim_time and other parameters of rclpy itself
                continue
            if change.name in self._fixed:
                raise ConfigError(f"{change.name} is read when the node starts: start it with another value")
            if self._locked is not None and self._locked() and not item.metadata["dynamic"]:
                raise ConfigError(f"{change.name} is read when the node is configured: clean it up first")
            if change.type_ is Parameter.Type.NOT_SET:
                raise ConfigError(f"{change.name} cannot be deleted, expected {allowed(item)}")
            value = _converted(item, change.value)
            check(item, value)
            kept.append(Parameter(change.name, value=value))
        self.veto(self._updated(kept))
        return kept

    def _updated(self, changes: list[Parameter]) -> dict[type[Config], Config]:
        values: dict[type[Config], dict[str, Any]] = {}
        for change in changes:
            if change.name in self._options:
                values.setdefault(self._owners[change.name], {})[change.name] = change.value
        return self._configs | {cls: replace(self._configs[cls], **changed) for cls, changed in values.items()}

    def _set(self, changes: list[Parameter]) -> SetParametersResult:
        self._configs = self._updated(changes)
        return SetParametersResult(successful=True)


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


def _refuse_unknown(node: Node, given: Collection[str], options: Collection[str]) -> None:
    for name in given:
        if not node.has_parameter(name) and not name.startswith("qos_overrides."):
            raise ConfigError(_unknown(node, name, options))


def _unknown(node: Node, name: str, options: Collection[str]) -> str:
    close = difflib.get_close_matches(name, options, n=1)
    hint = f"did you mean {close[0]}?" if close else f"expected one of: {', '.join(options)}"
    return f"parameter '{name}' is not known to {node.get_fully_qualified_name()}: {hint}"
