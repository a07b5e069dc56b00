# SPDX-License-Identifier: Apache-2.0
"""Launch arguments from configuration classes, for the launch files: wiring, and no second home for defaults."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import yaml
from launch.actions import DeclareLaunchArgument
from launch_ros.parameter_descriptions import ParameterValue

from mono_depth_ros import transport
from mono_depth_ros.config import Config, allowed
from mono_depth_ros.config.yaml_text import load_yaml
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.startup import EXIT_WITH_PARENT

Given = Callable[[str], str]
"""The text of a launch argument by its name; empty when it was not given."""

PROFILE_DOC = "auto: the package's Fast DDS profile unless the environment names one; none; or an XML file"


def option_arguments(*classes: type[Config], without: Collection[str] = ()) -> list[DeclareLaunchArgument]:
    """A launch argument for each option, empty unless given, with its documentation, range and default as text.

    Classes of several nodes may share options, such as `lazy`: one argument then serves them all, and is described as
    the first class has it. `without` names options that are no arguments.
    """
    described: dict[str, str] = {}
    for item in _options(classes, without):
        described.setdefault(item.name, f"{item.metadata['doc']} ({allowed(item)}; default: {item.default})")
    return [DeclareLaunchArgument(name, default_value="", description=text) for name, text in described.items()]


def option_parameters(given: Given, *classes: type[Config], without: Collection[str] = ()) -> list[dict[str, Any]]:
    """The node parameters of those options that were given: launch_ros passes nothing else on."""
    options = [item for item in _options(classes, without) if given(item.name)]
    return [{item.name: _exact(typed(item, given(item.name)))} for item in options]


def _options(classes: tuple[type[Config], ...], without: Collection[str]) -> Iterator[Field[Any]]:
    return (item for cls in classes for item in fields(cls) if item.name not in without)


def typed(item: Field[Any], text: str) -> Any:
    """The text of an argument as the option's type; what does not fit stays text, which the node refuses."""
    default: Any = item.default
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return type(default)(text)
    except ValueError:
        return text


def _exact(value: Any) -> Any:
    """launch_ros reads a bare string as YAML: a model directory named `1` would become a number."""
    return ParameterValue(value, value_type=str) if isinstance(value, str) else value


def node_environment(profile: str) -> dict[str, str]:
    """The environment of a launched node: it ends with the launch process, and uses the Fast DDS profile.

    SIGTERM to `ros2 launch` does not reach its nodes, so they watch it. `profile` is as in PROFILE_DOC; it has no
    effect on other middleware.

    Raises:
        ConfigError: `profile` is something else.
    """
    return {EXIT_WITH_PARENT: str(os.getpid()), **profile_environment(profile)}


def profile_environment(profile: str) -> dict[str, str]:
    """The variables that name the Fast DDS profile."""
    if profile == "auto":
        return transport.environment()
    if profile == "none":
        return {transport.OWN_VARIABLE: "none"}
    return dict.fromkeys(transport.variables(), existing_file("fastdds_profile", profile, "auto, none or "))


def existing_file(argument: str, path: str, others: str = "") -> str:
    """`path`, or a ConfigError that names the argument: launch_ros would go on without the file."""
    if not Path(path).is_file():
        raise ConfigError(f"{argument} is '{path}', expected {others}an existing file")
    return path


def file_for(node: str, path: str) -> list[str]:
    """[`path`] where a parameter file has a section for the node of this name, such as `node:` or `/**/node:`.

    A section for all nodes (`/**:`) alone does not count: nodes refuse parameters that they do not know.

    Raises:
        ConfigError: the file is no YAML mapping.
    """
    try:
        sections = load_yaml(Path(path).read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(sections, dict):
        raise ConfigError(f"{path} holds a {type(sections).__name__}, expected sections by the names of nodes")
    return [path] if any(str(name).rpartition("/")[2] == node for name in sections) else []
