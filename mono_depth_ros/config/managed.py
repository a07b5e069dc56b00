# SPDX-License-Identifier: Apache-2.0
"""What the lifecycle nodes have in common among their options."""

from __future__ import annotations

from dataclasses import dataclass

from mono_depth_ros.config.option import Config, option


@dataclass(frozen=True)
class ManagedNodeConfig(Config):
    """Who configures and activates a node; the first options of each."""

    autostart: bool = option(True, "The node configures and activates itself, without a lifecycle manager.")
    bond_timeout: float = option(
        4.0,
        "Without autostart, an active node has a bond with Nav2's lifecycle manager, and says when the manager's "
        "heartbeat stays away this long; 0 means no bond.",
        unit="s",
        low=0.0,
        high=3600.0,
    )
