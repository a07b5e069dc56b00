# SPDX-License-Identifier: Apache-2.0
"""The choice of the Fast DDS profile, and the two profiles themselves."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mono_depth_ros import transport

SPACE = "{http://www.eprosima.com}"
MEBIBYTE = 1024 * 1024


def segment_bytes(path: Path) -> int:
    """The shared-memory segment of a profile."""
    (size,) = ElementTree.parse(path).getroot().iter(f"{SPACE}segment_size")
    return int(size.text or "")


def test_a_machine_with_room_gets_the_large_segment() -> None:
    assert transport.profile(transport.ROOM_BYTES).name == "fastdds.xml"
    assert segment_bytes(transport.profile(transport.ROOM_BYTES)) == 64 * MEBIBYTE


def test_a_container_with_64_mb_gets_segments_that_fit_four_times() -> None:
    small = transport.profile(64 * MEBIBYTE)
    assert small.name == "fastdds_small.xml"
    assert 4 * segment_bytes(small) < 64 * MEBIBYTE
    # One organised cloud of 640x480 is the largest of the usual messages.
    assert segment_bytes(small) > 640 * 480 * 16


def test_no_shared_memory_at_all_is_little(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(transport, "SHARED_MEMORY", tmp_path / "none")
    assert transport.profile().name == "fastdds_small.xml"


def test_the_profiles_differ_in_the_segment_alone() -> None:
    def skeleton(path: Path) -> str:
        root = ElementTree.parse(path).getroot()
        return re.sub(r"\s+|\d{7,}", "", ElementTree.tostring(root, encoding="unicode"))

    assert skeleton(transport.profile(0)) == skeleton(transport.profile(transport.ROOM_BYTES))


@pytest.mark.parametrize("name", [*transport.VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS", "RMW_FASTRTPS_USE_QOS_FROM_XML"])
def test_what_the_user_has_decided_stays(name: str, tmp_path: Path) -> None:
    assert transport.environment({name: "1"}, tmp_path) == {} and transport.decision({name: "1"}, tmp_path) == name
    assert transport.environment({name: ""}, tmp_path)


def test_a_profile_in_the_working_directory_is_the_users_unless_it_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "DEFAULT_FASTRTPS_PROFILES.xml").write_text("<dds/>")
    assert transport.decision({}, tmp_path) == "DEFAULT_FASTRTPS_PROFILES.xml"
    assert transport.environment({}, tmp_path) == {}
    assert transport.environment({"SKIP_DEFAULT_XML_FILE": "1"}, tmp_path)


def test_none_keeps_the_profile_away(tmp_path: Path) -> None:
    assert transport.environment({transport.OWN_VARIABLE: "none"}, tmp_path) == {}


def test_the_remedy_is_that_of_the_middleware() -> None:
    fast_dds = transport.remedy("rmw_fastrtps_cpp", "the camera driver")
    assert "start the camera driver with FAST" in fast_dds and str(transport.profile()) in fast_dds
    assert "net.core.rmem_max" in transport.remedy("rmw_cyclonedds_cpp", "it")
    assert "rmw_zenohd" in transport.remedy("rmw_zenoh_cpp", "it")
    assert "rmw_new_cpp" in transport.remedy("rmw_new_cpp", "it")


def test_the_environment_names_an_existing_profile_for_the_generation_of_fast_dds() -> None:
    old, new = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
    for distribution, names in (("", {old, new}), ("jazzy", {old}), ("kilted", {new})):
        found = transport.environment({old: "", "ROS_DISTRO": distribution})
        assert set(found) == names
        assert all(Path(value).is_file() for value in found.values())
