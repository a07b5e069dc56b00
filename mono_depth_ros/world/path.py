# SPDX-License-Identifier: Apache-2.0
"""Smooth drives through free space: closed loops in rooms and yards, to and fro along corridors, aisles and streets.

A path is a short Fourier series in a phase that time turns at a constant rate, so position, velocity and acceleration
are continuous and bounded for every t, and the drive repeats without a seam.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mono_depth_ros.world.freespace import FreeSpace
from mono_depth_ros.world.pose import camera_pose

HARMONICS = 5
SAMPLES = 256
LOOPS = {"room", "yard", "course"}
TURN_LIMIT = 0.9  # rad/s


@dataclass(frozen=True, eq=False)
class CameraPath:
    """Where the camera is at a time. `series[k]` are the k-th harmonic's cosine and sine coefficients of x and y."""

    series: np.ndarray  # (HARMONICS + 1, 2, 2): harmonic, (cos, sin), (x, y); metres
    rate: float  # radians of phase a second
    height: float  # metres above the floor
    bob: float  # amplitude of the height's swing, metres
    heading: float | None  # radians a shuttle looks along; None: a loop looks along its tangent
    sway: float  # amplitude of the yaw swing, radians
    start: float  # phase at t = 0

    def position(self, t_s: float | np.ndarray) -> np.ndarray:
        """(..., 2) x and y in metres, world frame."""
        return self._sum(np.asarray(t_s, dtype=np.float64), 0)

    def velocity(self, t_s: float | np.ndarray) -> np.ndarray:
        """(..., 2) metres per second."""
        return self._sum(np.asarray(t_s, dtype=np.float64), 1) * self.rate

    @property
    def period_s(self) -> float:
        """Seconds after which x and y repeat."""
        return 2 * math.pi / self.rate

    def pose(self, t_s: float) -> np.ndarray:
        """world_from_camera, 4x4 float64, optical frame, for any time in seconds, also a negative one."""
        x, y = self.position(t_s)
        if self.heading is None:
            vx, vy = self.velocity(t_s)
            yaw = math.atan2(vy, vx)
        else:
            yaw = self.heading
        yaw += self.sway * math.sin(0.9 * t_s + self.start)
        pitch = math.radians(1.2) * math.sin(1.7 * t_s) - math.radians(1.5)
        roll = math.radians(0.7) * math.sin(1.3 * t_s + 1.0)
        z = self.height + self.bob * math.sin(2.3 * t_s)
        return camera_pose(float(x), float(y), z, yaw, pitch, roll)

    def _sum(self, t: np.ndarray, derivative: int) -> np.ndarray:
        k = np.arange(len(self.series), dtype=np.float64)
        angle = (self.rate * t + self.start)[..., None] * k
        cos, sin = np.cos(angle), np.sin(angle)
        if derivative:
            cos, sin = -k * sin, k * cos
        return cos @ self.series[:, 0] + sin @ self.series[:, 1]


@dataclass(frozen=True, eq=False)
class StoppingPath:
    """A drive that stops again and again: it goes for `drive_s`, stands for `stop_s`, and goes on along its way.

    Speed comes and goes smoothly. With a `turn` the camera looks that far to its left, and back, while it stands; with
    a drive_s of 0 that is all it does.
    """

    path: CameraPath
    drive_s: float
    stop_s: float
    turn: float = 0.0  # radians

    def pose(self, t_s: float) -> np.ndarray:
        """world_from_camera, 4x4 float64, optical frame."""
        cycle, within = divmod(t_s, self.drive_s + self.stop_s)
        ramp = min(1.0, self.drive_s / 2)
        driven = cycle * (self.drive_s - ramp) + _ramped(min(within, self.drive_s), self.drive_s, ramp)
        pose = self.path.pose(driven)
        looks = self.turn * math.sin(math.pi * max(within - self.drive_s, 0.0) / self.stop_s) ** 2
        c, s = math.cos(looks), math.sin(looks)
        pose[:2, :3] = np.array([[c, -s], [s, c]]) @ pose[:2, :3]
        return pose


def _ramped(t: float, duration: float, ramp: float) -> float:
    """Seconds at full speed that bring as far as t seconds with a smooth start and end, `ramp` seconds each."""
    if ramp == 0.0:
        return 0.0
    rise, fall = min(t / ramp, 1.0), min((duration - t) / ramp, 1.0)
    gained = ramp * (rise**3 - rise**4 / 2)
    left = ramp * (0.5 - fall**3 + fall**4 / 2)
    return gained + max(min(t, duration - ramp) - ramp, 0.0) + left


def make_path(free: FreeSpace, height: float, kind: str, indoor: bool, rng: np.random.Generator) -> CameraPath:
    """The best of a few hundred random drives that keep their distance from every obstacle."""
    speed = float(rng.uniform(0.5, 1.0) if indoor else rng.uniform(3.0, 6.0))
    bob, start = (0.008, 0.02)[not indoor], float(rng.uniform(0, 2 * math.pi))
    for clearance in (0.5, 0.4, 0.3, 0.2) if indoor else (1.5, 1.1, 0.8, 0.5):
        points = free.points(clearance)
        if len(points) < 2:
            continue
        heading = None
        series = _loop(free, points, clearance, 5.0 if indoor else 35.0, rng) if kind in LOOPS else None
        if series is None or _loop_rate(series, speed) < 0.5 * speed / _pace_and_turn(series)[0].mean():
            series = _shuttle(free, points, clearance, (1.5, 2.5) if indoor else (12.0, 8.0), rng)
            if series is None:
                continue
            heading = math.atan2(*series[1, 0, ::-1])
            start = math.pi + 0.1 * start  # near the end from which the whole run is seen
        rate = _loop_rate(series, speed) if heading is None else speed / float(_pace_and_turn(series)[0].max())
        sway = math.radians(8.0 if heading is None else 22.0 if indoor else 12.0)
        return CameraPath(series, rate, height, bob, heading, sway, start)
    return _turn_on_the_spot(free, height, bob, start)


def _loop_rate(series: np.ndarray, speed: float) -> float:
    """Radians of phase a second for a mean speed, or for the turn limit where that is slower."""
    pace, turn = _pace_and_turn(series)
    return min(speed / float(pace.mean()), TURN_LIMIT / float(np.abs(turn).max()))


def _pace_and_turn(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(SAMPLES,) metres, and (SAMPLES - 1,) radians of tangent, per radian of phase."""
    trace = CameraPath(series, 1.0, 0.0, 0.0, None, 0.0, 0.0)
    velocity = trace.velocity(np.linspace(0, 2 * math.pi, SAMPLES, endpoint=False))
    tangent = np.unwrap(np.arctan2(velocity[:, 1], velocity[:, 0]))
    return np.linalg.norm(velocity, axis=1), np.diff(tangent) * SAMPLES / (2 * math.pi)


def _loop(
    free: FreeSpace, points: np.ndarray, clearance: float, shortest: float, rng: np.random.Generator
) -> np.ndarray | None:
    """A closed curve around a few free points; longer and rounder is better."""
    best, best_score = None, 0.0
    for _ in range(250):
        corners = points[rng.integers(len(points), size=int(rng.integers(3, 7)))]
        middle = corners.mean(axis=0)
        order = np.argsort(np.arctan2(*(corners - middle).T[::-1]))
        corners = corners[order]
        closed = np.concatenate([corners, corners[:1]])
        steps = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
        if steps[-1] < shortest:
            continue
        s = np.linspace(0, steps[-1], SAMPLES, endpoint=False)
        curve = np.interp(s, steps, closed[:, 0]) + 1j * np.interp(s, steps, closed[:, 1])
        series = _series(curve)
        trace = CameraPath(series, 1.0, 0, 0, None, 0, 0)
        phase = np.linspace(0, 2 * math.pi, SAMPLES, endpoint=False)
        xy = trace.position(phase)
        if free.at(xy[:, 0], xy[:, 1]).min() < clearance * 0.8:
            continue
        pace, turn = _pace_and_turn(series)
        sharp = float(np.abs(turn).max())  # 1 for a circle
        score = pace.mean() / (1.0 + 0.3 * max(sharp - 2.0, 0.0))
        if pace.min() > 0.35 * pace.mean() and pace.mean() * 2 * math.pi >= shortest and score > best_score:
            best, best_score = series, score
    return best


def _series(curve: np.ndarray) -> np.ndarray:
    """Low harmonics of a closed curve given as complex samples."""
    out = np.zeros((HARMONICS + 1, 2, 2))
    for axis, values in enumerate((curve.real, curve.imag)):
        spectrum = np.fft.rfft(values)[: HARMONICS + 1] / len(values)
        # A gentle roll-off keeps the polygon's corners from ringing.
        spectrum *= np.exp(-0.04 * np.arange(HARMONICS + 1) ** 2)
        out[:, 0, axis], out[:, 1, axis] = 2 * spectrum.real, -2 * spectrum.imag
        out[0, :, axis] = spectrum[0].real, 0.0
    return out


def _shuttle(
    free: FreeSpace, points: np.ndarray, clearance: float, wanted: tuple[float, float], rng: np.random.Generator
) -> np.ndarray | None:
    """A straight run from one free point to another, looking at the second, with a small sideways swing.

    wanted: the least length, and the free space ahead of the far end below which a run is worth less; metres.
    """
    best, best_score = None, 0.0
    shortest, view = wanted
    beyond = np.linspace(0.0, view, 16)[:, None]
    w = np.linspace(0, 1, SAMPLES)[:, None]
    for _ in range(400):
        a, b = points[rng.integers(len(points), size=2)]
        length = float(np.linalg.norm(b - a))
        if length < shortest or length <= best_score:
            continue
        line = a + w * (b - a)
        gap = float(free.at(line[:, 0], line[:, 1]).min())
        ahead = b + beyond * (b - a) / length
        open_ahead = np.cumprod(free.at(ahead[:, 0], ahead[:, 1]) > 0.0).mean()
        score = length * float(open_ahead) ** 2
        if gap >= clearance and score > best_score:
            swing = min(0.5 * (gap - 0.6 * clearance), 0.4)
            side = np.array([a[1] - b[1], b[0] - a[0]]) / length
            best = np.zeros((HARMONICS + 1, 2, 2))
            best[0, 0] = (a + b) / 2
            best[1, 0] = (b - a) / 2
            best[2, 1] = swing * side
            best_score = score
    return best


def _turn_on_the_spot(free: FreeSpace, height: float, bob: float, start: float) -> CameraPath:
    j, i = np.unravel_index(int(free.clearance.argmax()), free.clearance.shape)
    radius = 0.3 * float(free.clearance.max())
    series = np.zeros((HARMONICS + 1, 2, 2))
    series[0, 0] = free.origin + (np.array([i, j]) + 0.5) * free.cell
    series[1, 0, 0] = series[1, 1, 1] = radius
    return CameraPath(series, 0.4, height, bob, None, 0.0, start)
