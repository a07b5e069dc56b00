# SPDX-License-Identifier: Apache-2.0
"""Files of the share folder, found wherever the package lies."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mono_depth_ros import resources
from mono_depth_ros.errors import DataError
from mono_depth_ros.resources import share_file

SCRIPT = "from mono_depth_ros.resources import share_file; print(share_file('config/x.xml'))"


def place(code: Path, share: Path) -> None:
    """A copy of resources.py under `code`, and a file for it in `share`."""
    (code / "mono_depth_ros").mkdir(parents=True)
    for name in ("__init__", "errors", "resources"):
        shutil.copy(Path(resources.__file__).with_name(f"{name}.py"), code / "mono_depth_ros")
    (share / "config").mkdir(parents=True)
    (share / "config" / "x.xml").touch()


def found(code: Path, **environment: str) -> Path:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"PYTHONPATH": str(code), **environment},
        cwd=code,
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(done.stdout.strip())


def test_a_checkout_has_its_own_files(repository: Path) -> None:
    assert share_file("config/fastdds.xml") == repository / "config" / "fastdds.xml"


@pytest.mark.parametrize("library", ["lib/python3.12/site-packages", "local/lib/python3.12/dist-packages"])
def test_the_prefix_that_holds_the_code_is_searched(tmp_path: Path, library: str) -> None:
    share = tmp_path / library.partition("lib/")[0] / "share" / "mono_depth_ros"
    place(tmp_path / library, share)
    assert found(tmp_path / library) == share / "config" / "x.xml"


def test_sourced_prefixes_are_searched_last(tmp_path: Path) -> None:
    place(tmp_path / "code", tmp_path / "b" / "share" / "mono_depth_ros")
    prefixes = f"{tmp_path / 'a'}:{tmp_path / 'b'}"
    assert found(tmp_path / "code", AMENT_PREFIX_PATH=prefixes) == tmp_path / "b/share/mono_depth_ros/config/x.xml"


def test_a_missing_file_names_the_places(repository: Path) -> None:
    with pytest.raises(DataError, match=rf"config/none\.xml .* looked in: {repository}"):
        share_file("config/none.xml")
