# SPDX-License-Identifier: Apache-2.0
"""Make the pictures of README.md and docs again: `python docs/images/make.py`, with Chromium installed.

overview.jpg and street.jpg are of a drive through a street: of its frames the one whose mean error the lidar divides by
the largest factor, as on the demo's page. report.jpg is that page after a run of the demo. motion.jpg and
motion_scale.png are of 7-Scenes, whose folder is in that of the environment's MONO_DEPTH_DATA. obstacles.jpg is a view
that benchmarks/driving.py does not score. cameras.jpg is of true depth, seen through the lens of docs/cameras.md.
slam.jpg is of 7-Scenes too, and is made where benchmarks/slam.py runs (Open3D, evo, ORB-SLAM3).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from mono_depth_ros import load_model
from mono_depth_ros.alignment.aligner import Aligner
from mono_depth_ros.config import DepthConfig, MotionConfig, WorldNodeConfig
from mono_depth_ros.datasets import seven_scenes
from mono_depth_ros.datasets.files import Wanted
from mono_depth_ros.errors import SamplesError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rays import rays
from mono_depth_ros.metrics import depth_metrics, valid_pairs
from mono_depth_ros.motion.window import MotionWindow
from mono_depth_ros.nodes.sources.drive import Drive
from mono_depth_ros.pipeline import Pipeline
from mono_depth_ros.tools.demo import cloud_data
from mono_depth_ros.tools.demo.frames import DemoFrame
from mono_depth_ros.tools.demo.panels import panel
from mono_depth_ros.tools.report import charts
from mono_depth_ros.tools.report.page import chart_figure, page, read
from mono_depth_ros.tools.report.pictures import DepthScale
from mono_depth_ros.world import World

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parents[1] / "benchmarks")]
from from_above import BLUE, GREY, INK, ORANGE, RED, FromAbove  # noqa: E402

import driving  # noqa: E402
from driving_views import views  # noqa: E402

STREET = WorldNodeConfig(scene="street", seed=3, rate=1.0)
FRAMES = 20
FAR = 25.0  # metres: what is farther is not in the picture of the cloud
OBSTACLES = ("warehouse", 50_000_000, 3)  # kind and seed of a world, and which of its views
WEBCAM = Camera(640, 480, 439.0, 439.0, 319.5, 239.5, "plumb_bob", (-0.36, 0.11, 0.0, 0.0, 0.0))
LENS_WORLD, LENS_VIEW = ("room", 50_000_004), 3
WAYS = {"raw": ("depth as it came", RED), "memory": ("one scale, from memory", ORANGE),
        "motion": ("scale by motion", BLUE)}  # fmt: skip
DEMO = ("--scene", "room", "--duration", "10")

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader"),
    *("--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=4000"),
)
cloud_data.MOST_POINTS = 10**6
PAGE = """<!doctype html><style>body { margin: 0 } canvas { display: block; width: 100vw; height: 100vh }</style>
<canvas id="cloud"></canvas><p id="no-webgl" hidden></p><div id="controls"></div>
<script id="cloud-data" type="application/json">DATA</script><script>SCRIPT</script>"""


def best_frame() -> DemoFrame:
    """Of the drive the frame that the lidar improves most."""
    drive, model = Drive.of(STREET), load_model("tiny", engine="torch")
    pipeline = Pipeline(model.model, DepthConfig(stride=1))
    best, most = None, 0.0
    for k, shot in zip(range(FRAMES), drive.frames(lambda: True, lambda: None, lambda: False), strict=False):
        frame = pipeline(shot.rgb, drive.camera)
        aligned = frame.align(shot.scan.xyz, cam_from_lidar=drive.lidar.camera_from_lidar)
        before, after = (abs_rel(one.depth.numpy(), shot.depth) for one in (frame, aligned))
        print(f"frame {k}: AbsRel {before:.3f}, aligned {after:.3f}")
        if before / after > most:
            cloud = frame.packed_cloud().numpy()
            depth, found = frame.depth.numpy(), aligned.depth.numpy()
            best = DemoFrame(k, k, drive.camera, shot.rgb, depth, shot.depth, cloud, aligned=found)
            most = before / after
    assert best is not None
    return best


def screenshot(page: Path, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8 BGR of a page."""
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))))
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        size = (f"--window-size={width},{height}", f"--user-data-dir={folder}/profile", f"--screenshot={shot}")
        subprocess.run([browser, *FLAGS, *size, page.as_uri()], check=True, capture_output=True)
        return cv2.imread(str(shot))


def _cloud(frame: DemoFrame, scale: DepthScale) -> dict[str, Any]:
    """What the viewer reads, of every pixel, seen from somewhat farther away than on the page."""
    near = np.where(frame.aligned < FAR, frame.aligned, np.nan)
    data = cloud_data.cloud_data(replace(frame, aligned=near, truth=None), scale)
    return data | {"distance": 1.3 * data["distance"], "height": data["height"] - 0.4}


def narrowed(bgr: np.ndarray, width: int = 900) -> np.ndarray:
    return cv2.resize(bgr, (width, round(width * bgr.shape[0] / bgr.shape[1])), interpolation=cv2.INTER_AREA)


def write(name: str, bgr: np.ndarray) -> None:
    cv2.imwrite(str(HERE / name), bgr, (cv2.IMWRITE_JPEG_QUALITY, 88))
    print(f"{name}: {bgr.shape[1]}x{bgr.shape[0]}")


def main() -> None:
    """All of them, or those that are named; motion.jpg brings motion_scale.png with it."""
    wanted = sys.argv[1:] or [
        f"{one}.jpg" for one in ("overview", "street", "report", "motion", "obstacles", "cameras", "slam")
    ]
    with tempfile.TemporaryDirectory() as name:
        if {"overview.jpg", "street.jpg"} & set(wanted):
            street(Path(name))
        if "report.jpg" in wanted:
            report(Path(name))
        if "motion.jpg" in wanted:
            motion(Path(name))
        if "obstacles.jpg" in wanted:
            obstacles()
        if "cameras.jpg" in wanted:
            cameras()
        if "slam.jpg" in wanted:
            slam(Path(name))


def street(folder: Path) -> None:
    frame = best_frame()
    scale = DepthScale.of((frame.aligned, frame.truth))
    data = json.dumps(_cloud(frame, scale)).replace("</", "<\\/")
    script = read("mono_depth_ros.tools.report", "viewer.js")
    (folder / "cloud.html").write_text(PAGE.replace("DATA", data).replace("SCRIPT", script), encoding="utf-8")
    cloud = screenshot(folder / "cloud.html", 988, 740)
    pictures = [cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR), scale.picture(frame.aligned), cloud]
    small = [cv2.resize(picture, (494, 370), interpolation=cv2.INTER_AREA) for picture in pictures]
    gap = np.full((370, 9, 3), 255, np.uint8)
    write("overview.jpg", np.hstack([small[0], gap, small[1], gap, small[2]]))
    whole = panel(frame, scale, 440)
    write("street.jpg", narrowed(whole))


def report(folder: Path) -> None:
    command = [sys.executable, "-m", "mono_depth_ros.tools.cli", "demo", *DEMO, "--out", str(folder / "demo")]
    subprocess.run(command, check=True)
    shot = screenshot(folder / "demo" / "report.html", 1180, 1900)
    write("report.jpg", narrowed(shot))


def abs_rel(depth: np.ndarray, truth: np.ndarray) -> float:
    return depth_metrics(*valid_pairs(depth, truth)).abs_rel


def motion(folder: Path) -> None:
    """7-Scenes with its own poses: a frame of middling gain, and the median of depth / truth over all frames."""
    data = seven_scenes.read(Wanted(Path(os.environ["MONO_DEPTH_DATA"]) / "seven_scenes"))
    pipeline = load_model("tiny", engine="torch")
    window, aligner, seen = MotionWindow(MotionConfig()), Aligner(), []
    for item in data.items:
        loaded, stamp_ns, samples = data.load(item), round(1e9 * (item.stamp_s + 1)), None
        frame = pipeline(loaded.rgb, loaded.camera)
        with suppress(SamplesError):
            gray = cv2.cvtColor(loaded.rgb, cv2.COLOR_RGB2GRAY)
            samples = window.update(gray, loaded.camera, data.pose(item), stamp_ns)
        found = aligner.update(frame.prediction, samples, stamp_ns, guide=torch.from_numpy(loaded.rgb)).prediction
        moved = None if found is None else found.values.numpy()
        seen.append(DemoFrame(item.index, stamp_ns, loaded.camera, loaded.rgb, frame.depth.numpy(), loaded.truth,
                              motion=moved))  # fmt: skip
    lines = {}
    for name, depth in (("c1", "depth"), ("c2", "motion")):
        known = [(one.stamp_ns / 1e9 - 1, getattr(one, depth), one.truth) for one in seen]
        lines[name] = [
            (t, float(np.median(np.divide(*valid_pairs(d, truth))))) for t, d, truth in known if d is not None
        ]
    keys = "".join(f'<span class="name {n}"><i></i>{t}</span>' for n, t in (("c1", "as it came"), ("c2", "by motion")))
    svg = charts.courses(lines, 1.0, "seconds", "depth / truth")
    title = "tiny on 7-Scenes: the median of depth / true depth of each frame"
    chart = chart_figure(title, f'<div class="key-row">{keys}</div>', svg)
    body = f'<div class="charts" style="max-width: 620px">{chart}</div>'
    (folder / "chart.html").write_text(page("motion", body), encoding="utf-8")
    shot = screenshot(folder / "chart.html", 700, 480)
    edge = np.argwhere((shot != shot[0, 0]).any(axis=2))
    (top, left), (bottom, right) = edge.min(axis=0), edge.max(axis=0) + 1
    write("motion_scale.png", shot[top:bottom, left:right])
    gains = [
        (abs_rel(one.depth, one.truth) / abs_rel(one.motion, one.truth), k)
        for k, one in enumerate(seen)
        if one.motion is not None
    ]
    chosen = seen[sorted(gains)[len(gains) // 2][1]]
    scale = DepthScale.of((chosen.motion, chosen.truth))
    write("motion.jpg", narrowed(panel(chosen, scale, 440)))


def obstacles() -> None:
    """A view of `tiny` with a lidar, and the costmaps of its cloud and of its obstacles beside the true one."""
    kind, seed, index = OBSTACLES
    view = list(views(Pipeline(load_model("tiny", engine="torch").model), World.generate(kind, seed)))[index]
    truth, aligned = driving.Truth(view), view.depths["lidar"]
    found = driving.marks(view, aligned, driving.obstacles_of(view, aligned))
    depth = DepthScale.of((aligned.values.numpy(), view.truth)).picture(aligned.values.numpy())
    top = [("camera", cv2.cvtColor(view.rgb, cv2.COLOR_RGB2BGR)), ("depth of tiny, aligned by a lidar", depth)]
    maps = {"costmap of the cloud": found["cloud"], "costmap of the obstacles": found["obstacles"],
            "true obstacles": truth.obstacle}  # fmt: skip
    below = [(title, costmap_picture(truth, marked)) for title, marked in maps.items()]
    rows = [np.hstack([titled(*cell, width) for cell in row]) for row, width in ((top, 505), (below, 334))]
    write("obstacles.jpg", np.vstack(rows))


def cameras() -> None:
    """A world through a webcam's lens, and its true depth from above: by each pixel's ray, and by that of a pinhole."""
    world = World.generate(*LENS_WORLD)
    pose = world.random_pose(np.random.default_rng(LENS_VIEW))
    seen = world.render(WEBCAM, pose, normals=False)
    up = pose[2, :3]  # of the world, in the frame of the camera
    drawing = FromAbove((505, 379), (-3.6, 4.9), (3.2, -0.2))
    for camera, colour in ((replace(WEBCAM, model="none", distortion=()), RED), (WEBCAM, INK)):
        points = np.dstack([rays(camera).numpy(), np.ones(seen.depth.shape, np.float32)]) * seen.depth[..., None]
        height = points @ up + pose[2, 3]
        drawing.points(points[(height > 0.3) & (height < 1.5)][:, [0, 2]], colour)
    drawing.text("each pixel by its own ray", (12, 20))
    drawing.text("each pixel taken for a pinhole's", (12, 40), RED)
    drawing.bar(1.0, (430, 368))
    picture = cv2.cvtColor(seen.rgb, cv2.COLOR_RGB2BGR)
    cells = [("camera, k1 -0.36", picture), ("its true depth from above", drawing.finished())]
    write("cameras.jpg", np.hstack([titled(*cell, 505) for cell in cells]))


def slam(folder: Path) -> None:
    """The ways of ORB-SLAM3 through 7-Scenes with the depth of `tiny`, as it came, by memory and by motion."""
    from slam import ORB_ESTIMATE, measure
    from slam_orb import train_vocabulary
    from slam_recording import SevenScenes

    vocabulary, work = folder / "vocabulary.txt", folder / "slam"
    work.mkdir()
    train_vocabulary(vocabulary)
    sequence = SevenScenes(Path(os.environ["MONO_DEPTH_DATA"]) / "seven_scenes")
    measure(sequence, work, load_model("tiny", engine="torch").model, vocabulary, tuple(WAYS))
    drawing = ways({depth: (work / depth / "groundtruth.txt", work / depth / ORB_ESTIMATE) for depth in WAYS})
    rgb = next(iter(sequence.moments())).rgb
    cells = [("camera", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)), ("its way by ORB-SLAM3", drawing)]
    write("slam.jpg", np.hstack([titled(*cell, 505) for cell in cells]))


def ways(files: dict[str, tuple[Path, Path]]) -> np.ndarray:
    """BGR of the true way and the estimates, each moved by the rigid motion that fits best, its size left as it is."""
    found, truth = {}, np.empty((0, 3))
    for depth, (true_file, estimate_file) in files.items():
        truth, estimate = (np.loadtxt(file, usecols=range(4)) for file in (true_file, estimate_file))
        nearest = np.abs(truth[:, 0] - estimate[:, :1]).argmin(axis=1)
        there, here = truth[nearest, 1:], estimate[:, 1:]
        u, _, v = np.linalg.svd((there - there.mean(0)).T @ (here - here.mean(0)))
        turn = u @ np.diag([1, 1, np.linalg.det(u @ v)]) @ v
        found[depth] = (here - here.mean(0)) @ turn.T + there.mean(0)
    flat = np.linalg.svd(truth[:, 1:] - truth[:, 1:].mean(0), full_matrices=False)[2][:2]  # the plane that shows most
    lines = {depth: way @ flat.T for depth, way in {"truth": truth[:, 1:], **found}.items()}
    low, high = (getattr(np.concatenate(list(lines.values())), which)(0) for which in ("min", "max"))
    edge = 0.06 * (high - low).max()
    drawing = FromAbove((505, 379), (low[0] - edge, high[1] + edge), (high[0] + edge, low[1] - edge))
    for k, (depth, line) in enumerate(lines.items()):
        text, colour = ("true", GREY) if depth == "truth" else WAYS[depth]
        drawing.way(line, colour, 3.0 if depth == "truth" else 1.5)
        drawing.text(text, (12, 20 + 20 * k), colour)
    drawing.bar(0.2, (380, 368))
    return drawing.finished()


def costmap_picture(truth: driving.Truth, marked: np.ndarray) -> np.ndarray:
    """BGR, from above, 4 m ahead: marked right is black and wrong red, missed orange, free floor light, unseen grey."""
    right = driving.distance_to(truth.surface) <= truth.tolerance
    missed = truth.obstacle & (driving.distance_to(marked) > truth.tolerance)
    picture = np.full((*marked.shape, 3), (196, 190, 184), np.uint8)
    for cells, colour in ((truth.free, (250, 248, 246)), (missed, (60, 170, 245)), (marked & right, (48, 40, 34)),
                          (marked & ~right, (50, 50, 225))):  # fmt: skip
        picture[cells & truth.within] = colour
    middle, reach = marked.shape[1] // 2, round(driving.FARTHEST_M / driving.CELL_M)
    aside = round(0.75 * reach)
    return picture[:reach, middle - aside : middle + aside][::-1, ::-1]  # ahead is up, left is left


def titled(title: str, picture: np.ndarray, width: int) -> np.ndarray:
    height = round(picture.shape[0] * width / picture.shape[1])
    kind = cv2.INTER_AREA if picture.shape[1] > width else cv2.INTER_NEAREST
    cell = np.full((height + 42, width + 8, 3), 255, np.uint8)
    cv2.putText(cell, title, (4, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (52, 44, 38), 1, cv2.LINE_AA)
    cell[34 : 34 + height, 4 : 4 + width] = cv2.resize(picture, (width, height), interpolation=kind)
    return cell


if __name__ == "__main__":
    main()
