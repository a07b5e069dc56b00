# SPDX-License-Identifier: Apache-2.0
"""Every Python snippet of README and docs runs as it stands, in a folder with the files that the pages name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mono_depth_ros.geometry.camera import Camera

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FOCAL_35MM, EXIF = 0xA405, 0x8769


def snippets(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photo.jpg and video.mp4, the camera of both, a depth map, and points of a lidar on it, 10 cm above the camera."""
    folder = tmp_path_factory.mktemp("snippets")
    camera = Camera.from_fov((640, 480), hfov_deg=60)
    camera.to_yaml(folder / "camera.yaml")
    v, u = np.mgrid[0:480, 0:640].astype(np.float32)
    depth = 2 + u / 320 + v / 480
    rgb = np.stack((u / 3, v / 2, 128 + 60 * np.sin(u / 20)), axis=-1).astype(np.uint8)
    exif = Image.Exif()
    exif.get_ifd(EXIF)[FOCAL_35MM] = 28
    Image.fromarray(rgb).save(folder / "photo.jpg", exif=exif)
    video = cv2.VideoWriter(str(folder / "video.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 30.0, (640, 480))
    for shift in range(6):
        video.write(np.roll(rgb[..., ::-1], 3 * shift, axis=1))
    video.release()
    np.save(folder / "depth.npy", depth)
    cam_from_lidar = np.eye(4)
    cam_from_lidar[1, 3] = -0.1
    np.savetxt(folder / "cam_from_lidar.txt", cam_from_lidar)
    points = (
        np.stack(((u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u)), -1) * depth[..., None]
    )
    np.save(folder / "lidar.npy", (points[::10, ::10].reshape(-1, 3) - cam_from_lidar[:3, 3]).astype(np.float32))
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if snippets(page)], ids=lambda page: page.name)
def test_the_snippets_of_a_page_run(page: Path, folder: Path, tmp_path: Path) -> None:
    """Each for itself: a reader copies one of them, not all before it."""
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    script = "\n".join(
        f"print('snippet', {number}, flush=True)\nexec(compile({text!r}, 'snippet {number}', 'exec'), {{}})"
        for number, text in enumerate(snippets(page), 1)
    )
    paths = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, f"{page.name}: {done.stdout}{done.stderr}"


def test_the_pages_have_snippets() -> None:
    assert snippets(ROOT / "README.md") and len(snippets(ROOT / "docs/python.md")) >= 8
