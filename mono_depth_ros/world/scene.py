# SPDX-License-Identifier: Apache-2.0
"""The scene: solids, materials and light as flat arrays that the ray caster reads.

World frame: x and y horizontal, z up, metres, the floor or road surface at z = 0. Solids are boxes, cylinders and
ellipsoids with any rotation; each is a centre, a rotation, half sizes and a material.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

BOX, CYLINDER, ELLIPSOID = 0, 1, 2

# Columns of a material row; colours are linear RGB.
PATTERN, COLOR, COLOR2, PARAMS, NOISE, NOISE_SCALE, GLOSS, EMISSION, SALT = 0, 1, 4, 7, 11, 12, 13, 14, 15
MATERIAL_WIDTH = 16


def linear(color: tuple[float, float, float]) -> np.ndarray:
    """sRGB in [0, 1] -> linear RGB (IEC 61966-2-1)."""
    c = np.clip(np.asarray(color, dtype=np.float64), 0.0, 1.0)
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """world_from_local, 3x3 float64: Rz(yaw) Ry(pitch) Rx(roll), radians."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def perpendicular(axis: np.ndarray) -> np.ndarray:
    """Some unit vector (3,) at right angles to the unit vector `axis` (3,)."""
    other = np.array([1.0, 0.0, 0.0]) if abs(axis[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    side = np.cross(axis, other)
    return side / np.linalg.norm(side)


@dataclass(frozen=True, eq=False)
class Light:
    """What lights a scene; colours linear RGB, directions unit vectors towards the light."""

    sun: np.ndarray  # (3,) direction
    sun_color: np.ndarray  # (3,), irradiance of a surface that faces it
    sky_color: np.ndarray  # (3,), ambient from above
    ground_color: np.ndarray  # (3,), ambient from below
    horizon: np.ndarray  # (3,), sky at the horizon, and the colour of haze
    zenith: np.ndarray  # (3,), sky overhead
    haze: float  # 1/m
    clouds: float  # share of the sky covered, 0..1
    exposure: float
    lamps: np.ndarray = field(default_factory=lambda: np.zeros((0, 7)))  # (L, 7) x y z r g b reach_m
    ceiling: float = math.inf  # lamps' shadows start below it

    def packed(self) -> np.ndarray:
        """(24,) float64, the order `shading.py` reads."""
        parts = [self.sun, self.sun_color, self.sky_color, self.ground_color, self.horizon, self.zenith]
        return np.concatenate([*parts, [self.haze, self.clouds, self.exposure, min(self.ceiling, 1e6), 0.0, 0.0]])


@dataclass(frozen=True)
class Thing:
    """Something by its name, and the rectangle of the floor that it is on or above: metres, world frame."""

    name: str
    x: float
    y: float
    yaw: float  # radians, of its length
    length: float
    width: float


@dataclass(frozen=True, eq=False)
class Scene:
    """N solids and K materials; arrays are float64 unless said otherwise."""

    kind: np.ndarray  # (N,) int32: BOX, CYLINDER, ELLIPSOID
    center: np.ndarray  # (N, 3)
    rotation: np.ndarray  # (N, 3, 3) world_from_local
    half: np.ndarray  # (N, 3) half sizes; a cylinder's axis is local z, with radius half[0]
    material: np.ndarray  # (N,) int32
    tint: np.ndarray  # (N,) uniform in [0, 1), a solid's own variation
    solid: np.ndarray  # (N,) bool: False for what nothing collides with (floor, ceiling lamps)
    materials: np.ndarray  # (K, MATERIAL_WIDTH)
    light: Light
    drivable: np.ndarray  # (D, 4) x0 y0 x1 y1: where a camera may be, solids permitting
    things: tuple[Thing, ...] = ()  # what is to be found in it, where that is known

    def corners(self) -> np.ndarray:
        """(N, 8, 3) world corners of every solid's oriented bounding box."""
        signs = np.array([[(i >> k & 1) * 2 - 1 for k in range(3)] for i in range(8)], dtype=np.float64)
        return self.center[:, None] + np.einsum("nij,nkj->nki", self.rotation, signs[None] * self.half[:, None])

    def joined(self, other: Scene) -> Scene:
        """With the solids of `other` after its own, which keep their indices; light and ground stay."""
        names = ("kind", "center", "rotation", "half", "tint", "solid", "materials")
        both: dict[str, Any] = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in names}
        shifted = (other.material + len(self.materials)).astype(np.int32)
        return replace(self, **both, material=np.concatenate([self.material, shifted]))


class SceneBuilder:
    """Collects solids; `at` opens a local frame so that furniture is written around its own origin."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.rows: list[tuple] = []
        self.materials: list[np.ndarray] = []
        self.drivable: list[tuple[float, float, float, float]] = []
        self.lamps: list[tuple[float, ...]] = []
        self.footprints: list[tuple[float, float, float, float, float]] = []
        self.things: list[Thing] = []
        self._frames: list[tuple[float, float, float, float]] = [(0.0, 0.0, 0.0, 0.0)]

    def at(self, x: float, y: float, yaw: float = 0.0, z: float = 0.0) -> SceneBuilder:
        """Open a frame at x, y, z (in the current frame) turned by yaw; use as `with builder.at(...)`."""
        px, py = self._to_world(x, y)
        _, _, fz, fyaw = self._frames[-1]
        self._frames.append((px, py, fz + z, fyaw + yaw))
        return self

    def __enter__(self) -> SceneBuilder:
        return self

    def __exit__(self, *_: object) -> None:
        self._frames.pop()

    def _to_world(self, x: float, y: float) -> tuple[float, float]:
        fx, fy, _, yaw = self._frames[-1]
        c, s = math.cos(yaw), math.sin(yaw)
        return fx + c * x - s * y, fy + s * x + c * y

    def material(
        self,
        pattern: int,
        color: tuple[float, float, float],
        color2: tuple[float, float, float] = (0.2, 0.2, 0.2),
        params: tuple[float, ...] = (),
        noise: float = 0.1,
        noise_scale: float = 1.0,
        gloss: float = 0.0,
        emission: float = 0.0,
    ) -> int:
        """Add a material (colours sRGB in [0, 1], params in metres) and return its index."""
        row = np.zeros(MATERIAL_WIDTH)
        row[PATTERN] = pattern
        row[COLOR : COLOR + 3] = linear(color)
        row[COLOR2 : COLOR2 + 3] = linear(color2)
        row[PARAMS : PARAMS + len(params)] = params
        row[NOISE], row[NOISE_SCALE], row[GLOSS], row[EMISSION] = noise, noise_scale, gloss, emission
        row[SALT] = self.rng.integers(0, 65536)
        self.materials.append(row)
        return len(self.materials) - 1

    def _add(self, kind: int, center: tuple, rot: np.ndarray, half: tuple, material: int, solid: bool) -> None:
        _, _, fz, yaw = self._frames[-1]
        x, y = self._to_world(center[0], center[1])
        rot = rotation(yaw) @ rot
        self.rows.append((kind, (x, y, center[2] + fz), rot, half, material, float(self.rng.random()), solid))

    def box(
        self,
        x: float,
        y: float,
        z0: float,
        size: tuple[float, float, float],
        material: int,
        yaw: float = 0.0,
        pitch: float = 0.0,
        roll: float = 0.0,
        solid: bool = True,
    ) -> None:
        """A box of size (l, w, h) centred on x, y whose bottom (before pitch and roll) is at z0."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        self._add(BOX, (x, y, z0 + half[2]), rotation(yaw, pitch, roll), half, material, solid)

    def cylinder(
        self, x: float, y: float, z0: float, radius: float, height: float, material: int, solid: bool = True
    ) -> None:
        """An upright cylinder standing on z0."""
        half = (radius, radius, height / 2)
        self._add(CYLINDER, (x, y, z0 + height / 2), np.eye(3), half, material, solid)

    def rod(self, start: tuple, end: tuple, radius: float, material: int, solid: bool = True) -> None:
        """A cylinder between two points (arms, rails, axles, wheels)."""
        a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        length = float(np.linalg.norm(b - a))
        axis = (b - a) / length
        side = perpendicular(axis)
        rot = np.stack([side, np.cross(axis, side), axis], axis=1)
        self._add(CYLINDER, tuple((a + b) / 2), rot, (radius, radius, length / 2), material, solid)

    def ellipsoid(
        self,
        x: float,
        y: float,
        z: float,
        radii: tuple[float, float, float],
        material: int,
        yaw: float = 0.0,
        pitch: float = 0.0,
        solid: bool = True,
    ) -> None:
        """An ellipsoid centred on x, y, z."""
        self._add(ELLIPSOID, (x, y, z), rotation(yaw, pitch), radii, material, solid)

    def lamp(self, x: float, y: float, z: float, color: tuple[float, float, float], reach: float) -> None:
        """A point light without shadow; light falls off as 1 / (1 + (d / reach)^2)."""
        wx, wy = self._to_world(x, y)
        self.lamps.append((wx, wy, z + self._frames[-1][2], *color, reach))

    def claim(self, x: float, y: float, yaw: float, length: float, width: float) -> bool:
        """Reserve a footprint in the current frame; False, and nothing reserved, where one overlaps."""
        wx, wy = self._to_world(x, y)
        new = (wx, wy, self._frames[-1][3] + yaw, length / 2, width / 2)
        if any(_overlap(new, old) for old in self.footprints):
            return False
        self.footprints.append(new)
        return True

    def note(self, name: str, x: float, y: float, yaw: float, length: float, width: float) -> None:
        """Say what is there, in the current frame."""
        self.things.append(Thing(name, *self._to_world(x, y), self._frames[-1][3] + yaw, length, width))

    def build(self, light: Light) -> Scene:
        """Freeze into arrays."""
        kind, center, rot, half, material, tint, solid = zip(*self.rows, strict=True)
        return Scene(
            kind=np.array(kind, dtype=np.int32),
            center=np.array(center, dtype=np.float64),
            rotation=np.array(rot, dtype=np.float64),
            half=np.array(half, dtype=np.float64),
            material=np.array(material, dtype=np.int32),
            tint=np.array(tint, dtype=np.float64),
            solid=np.array(solid, dtype=bool),
            materials=np.array(self.materials, dtype=np.float64),
            light=light,
            drivable=np.array(self.drivable, dtype=np.float64).reshape(-1, 4),
            things=tuple(self.things),
        )


def _overlap(a: tuple, b: tuple) -> bool:
    """Separating-axis test of two rectangles (x, y, yaw, half length, half width)."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    for yaw in (a[2], b[2]):
        for angle in (yaw, yaw + math.pi / 2):
            ux, uy = math.cos(angle), math.sin(angle)
            reach = 0.0
            for r in (a, b):
                c, s = math.cos(r[2]), math.sin(r[2])
                reach += abs(ux * c + uy * s) * r[3] + abs(uy * c - ux * s) * r[4]
            if abs(dx * ux + dy * uy) >= reach:
                return False
    return True
