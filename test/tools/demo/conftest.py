# SPDX-License-Identifier: Apache-2.0
"""Frames with known errors, and a browser to look at reports with."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch

from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.cloud import pack_cloud
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.tools.demo.course import Course
from mono_depth_ros.tools.demo.frames import DemoFrame, Timing

CAMERA = Camera.from_fov((64, 48), 70)


def make_frame(index=0, factor=1.1, truth=True, cloud=True, aligned=None, motion=None):
    """A wall that recedes from 2 m on the left to 4 m on the right; the node says `factor` times that.

    aligned, motion: the factor after the alignments, None without one.
    """
    plane = np.tile(np.linspace(2.0, 4.0, CAMERA.width, dtype=np.float32), (CAMERA.height, 1))
    plane[0] = np.inf  # sky
    rgb = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    rgb[..., 0], rgb[..., 1], rgb[..., 2] = 200, 120, 40
    depth = (plane * np.float32(factor)).astype(np.float32)
    depth[1] = np.nan  # unknown
    packed = pack_cloud(torch.from_numpy(depth), rays(CAMERA), torch.from_numpy(rgb)).numpy()[::2, ::2]
    return DemoFrame(
        index=index,
        stamp_ns=1_700_000_000_000_000_000 + index * 100_000_000,
        camera=CAMERA,
        rgb=rgb,
        depth=depth,
        truth=plane if truth else None,
        cloud=np.ascontiguousarray(packed) if cloud else None,
        aligned=None if aligned is None else (depth * np.float32(aligned / factor)).astype(np.float32),
        motion=None if motion is None else (depth * np.float32(motion / factor)).astype(np.float32),
    )


def make_timing(images=10, results=9, latency_ns=25_000_000):
    stamps = 1_700_000_000_000_000_000 + np.arange(images, dtype=np.int64) * 100_000_000
    arrived = np.stack([stamps[:results], stamps[:results] + latency_ns], axis=1)
    return Timing(stamps, arrived)


def make_course(scales=(0.92, 0.91, 0.9), held_out=(0.02, 0.03, 0.05)):
    """An alignment told of every 200 ms."""
    stamps = 1_700_000_000_000_000_000 + np.arange(len(scales), dtype=np.int64) * 200_000_000
    return Course(stamps, np.array([[s, 0.0, 0.75, h] for s, h in zip(scales, held_out, strict=True)]))


@pytest.fixture
def course():
    return make_course


@pytest.fixture
def frame():
    return make_frame


@pytest.fixture
def timing():
    return make_timing


PROGRAMS = ("chromium", "google-chrome", "chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    # WebGL without a GPU
    "--disable-gpu",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    # Nothing but the page
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--virtual-time-budget=4000",
)

LISTEN = """<script>
window.complaints = [];
window.addEventListener("error", (event) => window.complaints.push(String(event.message)));
document.addEventListener("securitypolicyviolation", (event) => window.complaints.push("blocked " + event.blockedURI));
for (const kind of ["error", "warn"]) console[kind] = (...words) => window.complaints.push(words.join(" "));
</script>"""

LOOK = """<script>
window.addEventListener("load", () => setTimeout(() => {
  const { draw, gl } = window.demoViewer || {};
  const colours = () => {  // how many pixels differ from the background, and their mean
    draw();
    const [w, h] = [gl.drawingBufferWidth, gl.drawingBufferHeight], pixels = new Uint8Array(4 * w * h);
    gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    let n = 0, sum = [0, 0, 0];
    for (let k = 0; k < pixels.length; k += 4) {
      if (Math.abs(pixels[k] - 14) + Math.abs(pixels[k + 1] - 18) + Math.abs(pixels[k + 2] - 22) < 12) continue;
      n++;
      for (let c = 0; c < 3; c++) sum[c] += pixels[k + c];
    }
    return { share: n / (w * h), mean: sum.map((v) => v / Math.max(n, 1)) };
  };
  const press = (selector) => document.querySelector(selector).click();
  const found = { complaints: window.complaints, views: {} };
  if (gl) {
    found.views.image = colours();
    press('[data-color="error"]');
    found.views.error = colours();
    press('[data-cloud="truth"]'); press('[data-color="image"]');
    found.views.truth = colours();
    press('[data-cloud="both"]');
    found.views.both = colours();
    press('[data-cloud="node"]');
    const canvas = document.getElementById("cloud");
    const middle = { clientX: 200, clientY: 300, pointerId: 1, bubbles: true };
    canvas.setPointerCapture = () => {};
    canvas.dispatchEvent(new PointerEvent("pointerdown", middle));
    canvas.dispatchEvent(new PointerEvent("pointermove", { ...middle, clientX: 520 }));
    canvas.dispatchEvent(new PointerEvent("pointerup", middle));
    found.views.turned = colours();
  }
  found.fetched = performance.getEntriesByType("resource").map((e) => e.name).filter((n) => !n.startsWith("data:"));
  found.wider = document.documentElement.scrollWidth > window.innerWidth;
  found.fallback = getComputedStyle(document.getElementById("no-webgl")).display !== "none";
  found.pictures = [...document.images].every((image) => image.complete && image.naturalWidth > 0);
  const out = document.createElement("pre");
  out.id = "found";
  out.textContent = JSON.stringify(found);
  document.body.append(out);
}, 500));
</script>"""


class Browser:
    """A headless browser with a fresh profile."""

    listen = LISTEN

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder

    def run(self, *arguments: str) -> str:
        """Its standard output."""
        command = [self._program, *FLAGS, f"--user-data-dir={self._folder / 'profile'}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, cwd=self._folder)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def inspect(self, page: str, *flags: str) -> dict:
        """What a script added to a copy of the page finds out from inside, and writes into the document."""
        path = self._folder / "inspected.html"
        text = page.replace("<title>", LISTEN + "<title>", 1).replace("</body>", LOOK + "</body>", 1)
        path.write_text(text.replace(' loading="lazy"', ""), encoding="utf-8")
        dom = self.run(*flags, "--dump-dom", path.as_uri())
        return json.loads(unescape(re.search(r'<pre id="found">(.*?)</pre>', dom, re.S)[1]))


@pytest.fixture
def browser(tmp_path):
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no browser to look at the report with: none of {', '.join(PROGRAMS)} is installed")
    return Browser(program, tmp_path)
