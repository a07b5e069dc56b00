# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import socket

import pytest

from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.startup import EXIT_WITH_PARENT
from mono_depth_ros.tools.demo import environment


def test_a_domain_in_use_is_not_taken(monkeypatch):
    free = environment.free_domain()
    monkeypatch.setattr(environment, "_DOMAINS", (free,))
    assert environment.free_domain() == free
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", 7410 + 250 * free))
        with pytest.raises(MonoDepthError, match="--domain-id"):
            environment.free_domain()


def test_nodes_keep_to_this_machine_and_end_with_their_parent(tmp_path, monkeypatch):
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    found = environment.node_environment(tmp_path, 42)
    assert found["ROS_DOMAIN_ID"] == "42" and found["ROS_LOG_DIR"] == str(tmp_path)
    assert found["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert found[EXIT_WITH_PARENT] == str(os.getpid())
    monkeypatch.setenv("ROS_DISTRO", "humble")
    assert environment.node_environment(tmp_path, 42)["ROS_LOCALHOST_ONLY"] == "1"


def test_facts_are_texts():
    found = environment.facts()
    assert {"Python", "ROS 2", "torch", "CPU", "System"} <= set(found)
    assert all(isinstance(value, str) and value for value in found.values())
