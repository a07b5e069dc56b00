# SPDX-License-Identifier: Apache-2.0
"""People-sized figures: 1.55-1.9 m, proportions of an adult (head 1/7.5 of the height, hips at 0.5)."""

from __future__ import annotations

from mono_depth_ros.world import palette as pal
from mono_depth_ros.world import textures as tx
from mono_depth_ros.world.scene import SceneBuilder

STRIDE = 0.3  # metres that a foot of somebody 1.7 m tall swings to either side of the hips


def person(b: SceneBuilder, vest: bool = False, swing: float | None = None) -> None:
    """A standing or walking adult who faces +y. swing: of the legs, -1 to 1; None draws one."""
    rng = b.rng
    h = float(rng.uniform(1.55, 1.9))
    stride = float(rng.choice([0.03, 0.2, STRIDE])) * h / 1.7
    if swing is not None:
        stride = swing * STRIDE * h / 1.7
    cloth = b.material(tx.PLAIN, pal.fabric(rng), noise=0.15, noise_scale=0.2)
    if vest:
        cloth = b.material(tx.STRIPES, (0.85, 0.9, 0.1), (0.8, 0.8, 0.8), (0.3, 0.0), 0.05, 0.3)
    legs = b.material(tx.PLAIN, pal.hsv(rng, (0.5, 0.75), (0.1, 0.6), (0.08, 0.5)), noise=0.12, noise_scale=0.15)
    shoe = b.material(tx.PLAIN, pal.grey(rng, 0.05, 0.9), gloss=0.2)
    skin = b.material(tx.PLAIN, pal.skin(rng), noise=0.05)
    hair = b.material(tx.PLAIN, pal.hsv(rng, (0.04, 0.12), (0.2, 0.7), (0.03, 0.5)), noise=0.3, noise_scale=0.03)
    for s in (-1, 1):
        foot_y = s * stride
        b.rod((s * 0.09, foot_y, 0.06), (s * 0.085, 0, 0.5 * h), 0.075 * h / 1.75, legs)
        b.ellipsoid(s * 0.09, foot_y + 0.06, 0.045, (0.05, 0.14, 0.045), shoe)
        hand = (s * 0.25, -s * stride * 0.7 + 0.04, 0.46 * h)
        elbow = (s * 0.24, -s * stride * 0.3 - 0.03, 0.62 * h)
        b.rod((s * 0.19, 0, 0.8 * h), elbow, 0.05, cloth)
        b.rod(elbow, hand, 0.042, cloth)
        b.ellipsoid(*hand, (0.045, 0.045, 0.07), skin)
    b.ellipsoid(0, 0, 0.52 * h, (0.17, 0.13, 0.11), legs)
    b.ellipsoid(0, 0, 0.66 * h, (0.2, 0.13, 0.2 * h), cloth)
    b.cylinder(0, 0, 0.82 * h, 0.055, 0.07 * h, skin)
    b.ellipsoid(0, 0.01, 0.93 * h, (0.078, 0.095, 0.07 * h), skin)
    b.ellipsoid(0, -0.02, 0.95 * h, (0.085, 0.095, 0.055 * h), hair)
