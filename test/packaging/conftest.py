# SPDX-License-Identifier: Apache-2.0
"""A copy of the source tree as a clone would have it, for builds that must not touch the checkout."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def source_copy(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files git tracks or would track, copied into a fresh folder named mono_depth_ros."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=repository, capture_output=True
    )
    if listed.returncode != 0:
        pytest.skip(f"not a git checkout: {repository}")
    target = tmp_path_factory.mktemp("source") / "mono_depth_ros"
    for name in listed.stdout.decode().split("\0"):
        if name and (repository / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, target / name)
    return target
