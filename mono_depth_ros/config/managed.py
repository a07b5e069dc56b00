# SPDX-License-Identifier: Apache-2.0
"""What the lifecycle nodes have in common among their options."""

from __future__ import annotations

from dataclasses import dataclass

from mono_depth_ros.config.option import Config, option


@dataclass(frozen=True)
class ManagedNodeConfig(Config):
    """Who configures and activates a node, and what each can do; the first options of each."""

    autostart: bool = option(True, "The node configures and activates itself, without a lifecycle manager.")
    bond_timeout: float = option(
        4.0,
        "Without autostart, an active node has a bond with Nav2's lifecycle manager, and says when the manager's "
        "heartbeat stays away this long; 0 means no bond.",
        unit="s",
        low=0.0,
        high=3600.0,
    )
    cloud_rate: float = option(
        0.0,
        "At most so many clouds a second are made and published; 0 means one of every result, or of as many as there "
        "is time for: depth never waits for a cloud.",
        unit="Hz",
        low=0.0,
        high=1000.0,
        dynamic=True,
    )
    obstacles: bool = option(
        False,
        "What stands on the floor, and what is free, come out beside the depth for costmaps: obstacles, free and scan.",
    )
    tf_timeout: float = option(
        0.1, "The node waits this long for a transform, or a pose on odom, that is late.", unit="s", low=0.0, high=10.0
    )
