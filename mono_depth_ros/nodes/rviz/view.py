# SPDX-License-Identifier: Apache-2.0
"""The package's rviz view, made to show certain topics of certain cameras in a certain frame."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

_BOTH = ("image", "points", "obstacles", "scan")  # of the depth node, and aligned
_DEPTH, _ALIGNED = ([f"{node}/{what}" for what in _BOTH] for node in ("depth", "aligned"))
_RELATIVE = {"depth/inverse": "Inverse depth", "depth/relative": "Relative depth"}
SHOWN = ("image", "depth/color", *_RELATIVE, *_DEPTH, *_ALIGNED)
"""What may be shown of each camera."""

_REPLACED = dict(zip(_DEPTH, _ALIGNED, strict=True))
_TEMPLATES = dict(zip(_ALIGNED, _DEPTH, strict=True)) | dict.fromkeys(_RELATIVE, "depth/image")


def view(template: Mapping[str, Any], frame: str, cameras: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """A configuration of rviz.

    Args:
        template: content of rviz/depth.rviz; its displays are those of one camera, by the topics of SHOWN.
        frame: the fixed one.
        cameras: by name, the resolved topic of each of SHOWN that there is. What is aligned takes the place of what
            is not.
    """
    found = copy.deepcopy(dict(template))
    manager = found["Visualization Manager"]
    manager["Global Options"]["Fixed Frame"] = frame
    by_topic = {item["Topic"]["Value"].lstrip("/"): item for item in manager["Displays"] if "Topic" in item}
    displays = [item for item in manager["Displays"] if "Topic" not in item]
    for name, topics in cameras.items():
        for shown in _chosen(topics):
            display = copy.deepcopy(by_topic[_TEMPLATES.get(shown, shown)])
            display["Topic"]["Value"] = topics[shown]
            if shown in _RELATIVE:
                display |= {"Name": _RELATIVE[shown], "Normalize Range": True}
            display["Name"] = f"{name}: {display['Name']}" if name else display["Name"]
            displays.append(display)
    manager["Displays"] = displays
    return found


def _chosen(topics: Iterable[str]) -> list[str]:
    there = set(topics)
    return [shown for shown in SHOWN if shown in there and _REPLACED.get(shown) not in there]
