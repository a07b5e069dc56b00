# SPDX-License-Identifier: Apache-2.0
"""`--config FILE.yaml`: options of a tool from a file of its own, or from a parameter file of the nodes."""

from __future__ import annotations

import argparse
import difflib
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from mono_depth_ros import config
from mono_depth_ros.errors import SENTENCE, ConfigError, shown

_NODES = "ros__parameters"


class Values:
    """The values that a file gives to the options of a tool.

    A file is a mapping from names of options, with _ or -, to values. A parameter file of the nodes gives what the
    tool has in common with them; what only nodes have is named on stderr.

    Args:
        parser: a Parser, of the tool. path: of the file.
    """

    def __init__(self, parser: Any, path: Path) -> None:
        self._parser, self._path, self._options = parser, path, parser.options()

    def read(self) -> dict[str, Any]:
        """Values by the name of the option.

        Raises:
            ConfigError: the file, a name or a value is not right; the sentence begins with the file.
        """
        from mono_depth_ros.config.strict_yaml import read_yaml

        try:
            content = read_yaml(self._path)
            if not isinstance(content, dict):
                raise ConfigError(f"holds {shown(repr(content))}, expected options as `name: value`")
            sections = _sections(content)
            given = self._of_nodes(sections) if sections else {str(key): value for key, value in content.items()}
            return dict(self._value(name, value) for name, value in given.items())
        except ConfigError as error:
            raise ConfigError(f"{shown(self._path, SENTENCE)} {error}") from error

    def _of_nodes(self, sections: list[dict[str, Any]]) -> dict[str, Any]:
        """What the sections of nodes give to this tool."""
        given: dict[str, Any] = {}
        for section in sections:
            for key, value in section.items():
                if key in given and given[key] != value:
                    raise ConfigError(f"gives '{shown(key)}' to two nodes with different values, expected one")
                given[str(key)] = value
        shared = {name for name, action in self._options.items() if getattr(action, "of_nodes", False)}
        classes = [getattr(config, name) for name in config.__all__ if name.endswith("Config")]
        known = {item.name for cls in classes for item in fields(cls)} | {"use_sim_time", "qos_overrides"}
        unused = [name for name in given if name in known and name not in shared]
        if unused:
            print(f"{self._parser.prog}: {self._path}: parameters of nodes alone: {', '.join(unused)}", file=sys.stderr)
        return {name: value for name, value in given.items() if name not in unused}

    def _value(self, key: str, value: Any) -> tuple[str, Any]:
        name = key.replace("-", "_")
        action = self._options.get(name)
        if action is None:
            close = difflib.get_close_matches(name, self._options, n=1, cutoff=0.5)
            hint = f"did you mean '{close[0]}'?" if close else f"expected one of: {', '.join(self._options)}"
            raise ConfigError(f"has the unknown option '{shown(key)}': {hint}")
        try:
            return action.dest, self._converted(action, value)
        except ConfigError as error:
            raise ConfigError(f"has a wrong value of '{name}': {error}") from error

    def _converted(self, action: argparse.Action, value: Any) -> Any:
        if action.nargs == 0:
            if not isinstance(value, bool):
                raise ConfigError(f"found {shown(repr(value))}, expected true or false")
            return value
        if isinstance(action, argparse._AppendAction):
            values = value if isinstance(value, list) else [value]
            if action.nargs is None:
                return [self._one(action, item) for item in values]
            if not all(isinstance(item, list) and len(item) == action.nargs for item in values):
                raise ConfigError(f"found {shown(repr(value))}, expected a list of lists of {action.nargs}")
            return [[self._one(action, part) for part in item] for item in values]
        if action.nargs == "?" and value is True:
            return action.const
        return self._one(action, value)

    def _one(self, action: argparse.Action, value: Any) -> Any:
        """A single value, which may be a list where its text is one: names with commas, numbers with spaces."""
        parts = value if isinstance(value, list) else [value]
        if any(isinstance(part, bool) or not isinstance(part, (str, int, float)) for part in parts):
            raise ConfigError(f"found {shown(repr(value))}, expected a text or a number")
        between = "," if any(isinstance(part, str) for part in parts) else " "
        return self._parser.value_of(action, between.join(map(str, parts)))


def _sections(content: dict[Any, Any]) -> list[dict[str, Any]]:
    """The `ros__parameters` of every node in a parameter file; none where it is no such file."""
    found = []
    for key, value in content.items():
        if key == _NODES and isinstance(value, dict):
            found.append(value)
        elif isinstance(value, dict):
            found += _sections(value)
    return found
