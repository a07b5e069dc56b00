# SPDX-License-Identifier: Apache-2.0
"""docs/bags.md names no option that is not there, and every output that is."""

from __future__ import annotations

import re

from mono_depth_ros.config.offline import BAG_OUTPUTS
from mono_depth_ros.tools.cli import build_parser


def options():
    (subparsers,) = (action for action in build_parser()._actions if hasattr(action, "choices") and action.choices)
    tools = (subparsers.choices[name] for name in ("bag", "info"))
    return {flag for tool in tools for action in tool._actions for flag in action.option_strings}


def test_options_and_outputs_are_those_of_the_code(repository):
    text = (repository / "docs" / "bags.md").read_text()
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    assert len(named) > 20 and named <= options(), named - options()
    rows = re.findall(r"^\| `(\w+)` \|", text.partition("## Topics out")[2], re.MULTILINE)
    assert rows == list(BAG_OUTPUTS)
