# SPDX-License-Identifier: Apache-2.0
"""Obstacles above a floor, on scenes of which every height is known."""

import numpy as np
import pytest
import torch
from scenes import CAMERA, LEVEL, Scene, beam, looking

from mono_depth_ros.config.obstacles import ObstacleConfig
from mono_depth_ros.errors import CameraError, ConfigError, ObstacleError
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.geometry.rigid import transform_points
from mono_depth_ros.obstacles.finder import Obstacles, find_obstacles

CONFIG = ObstacleConfig()


def _find(scene: Scene, base: np.ndarray | None = LEVEL, config: ObstacleConfig = CONFIG, **more: object) -> Obstacles:
    return find_obstacles(scene.tensor, CAMERA, base, config, **more)  # type: ignore[arg-type]


def test_a_wall_is_an_obstacle_and_the_floor_before_it_is_free() -> None:
    found = _find(Scene().floor().box((3, -9, 0), (4, 9, 3)))
    assert len(found.points) > 100
    assert np.allclose(found.points[:, 0], 3.0, atol=1e-3)
    assert 0.08 < found.points[:, 2].min() < 0.15 and 1.7 < found.points[:, 2].max() < 1.82
    assert 2.999 < found.free[:, 0].max() < 3.001
    assert np.abs(found.free[found.free[:, 0] < 2.99, 2]).max() < 1e-3
    assert found.scan is not None and np.isfinite(found.scan.ranges[5:-5]).all()
    assert np.allclose(beam(found, 20.0), 3.0 / np.cos(np.radians(20.0)), atol=0.03)


def test_an_open_floor_has_no_obstacle_and_the_scan_is_free() -> None:
    found = _find(Scene().floor())
    assert not len(found.points)
    assert found.scan is not None and np.isposinf(found.scan.ranges[2:-2]).all()
    assert np.degrees(found.scan.angle_max - found.scan.angle_min) == pytest.approx(70.0, abs=1.5)
    reach = np.hypot(found.free[:, 0], found.free[:, 1])
    assert reach.max() == pytest.approx(CONFIG.max_range, abs=1e-3)
    assert (reach < CONFIG.max_range - 0.1).any()


@pytest.mark.parametrize("scale", [0.92, 1.08])
def test_a_floor_that_is_off_by_the_scale_stays_floor(scale: float) -> None:
    scene = Scene().floor().box((3, -9, 0), (4, 9, 3))
    scene.depth *= scale
    assert np.allclose(_find(scene).points[:, 0], scale * 3.0, atol=0.06)


@pytest.mark.parametrize(("slope", "obstacle"), [(8.0, False), (-8.0, False), (35.0, True)])
def test_a_ramp_is_floor_up_to_its_slope(slope: float, obstacle: bool) -> None:
    found = _find(Scene().floor(stop=1.5).floor(slope, start=1.5))
    assert bool(len(found.points)) == obstacle


def test_what_stands_on_a_ramp_is_an_obstacle() -> None:
    found = _find(Scene().floor(stop=1.2).floor(6.0, start=1.2).box((2.5, -0.2, 0), (2.8, 0.2, 0.6)))
    assert len(found.points) > 10
    assert np.abs(found.points[:, 1]).max() < 0.3 and found.points[:, 0].min() > 2.4


@pytest.mark.parametrize("edge", [1.5, 4.5])
def test_a_step_down_is_an_obstacle_where_the_floor_ends(edge: float) -> None:
    """Of 4.5 m the lower floor is seen beyond the range."""
    base = looking(pitch_deg=15.0)
    scene = Scene(base).floor(stop=edge).floor(start=edge, height=-0.4)
    found = _find(scene, base)
    assert len(found.points) > 5
    assert edge - 0.05 < found.points[:, 0].min() < edge + 0.16  # two rows there are 15 cm apart at 4.5 m
    assert np.abs(found.points[:, 2]).max() < 0.05
    assert np.hypot(found.points[:, 0], found.points[:, 1]).max() < CONFIG.max_range
    assert not len(_find(scene, base, ObstacleConfig(max_drop=0.0)).points)
    assert not len(_find(Scene(base).floor(stop=edge).floor(start=edge, height=-0.06), base).points)


def test_what_is_behind_a_wedge_is_no_hole() -> None:
    found = _find(Scene().floor(stop=1.0).floor(8.0, start=1.0, stop=2.5).floor(start=2.5))
    assert not len(found.points)


@pytest.mark.parametrize(("height", "obstacle"), [(0.04, False), (0.2, True)])
def test_low_things_are_driven_over(height: float, obstacle: bool) -> None:
    assert bool(len(_find(Scene().floor().box((2, -0.3, 0), (2.4, 0.3, height))).points)) == obstacle


@pytest.mark.parametrize(("bottom", "obstacle"), [(1.9, False), (1.2, True)])
def test_what_hangs_high_is_driven_under(bottom: float, obstacle: bool) -> None:
    base = looking(pitch_deg=-10.0)
    found = _find(Scene(base).floor().box((2.5, -0.5, bottom), (2.7, 0.5, 2.4)), base)
    assert bool(len(found.points)) == obstacle
    under = found.free[(np.abs(found.free[:, 0] - 2.5) < 0.01) & (found.free[:, 2] > 1.85)]
    assert len(under), "a ray that ends above the robot clears what is before it"


def test_a_table_is_found_by_its_top_and_legs() -> None:
    scene = Scene().floor().box((2, -0.6, 0.7), (2.8, 0.6, 0.74))
    for x, y in ((2.0, -0.6), (2.0, 0.55)):
        scene.box((x, y, 0), (x + 0.05, y + 0.05, 0.7))
    found = _find(scene)
    top = found.points[found.points[:, 2] > 0.69]
    assert top[:, 0].min() < 2.06 and top[:, 0].max() > 2.3
    legs = found.points[(found.points[:, 2] < 0.5)]
    assert (legs[:, 1] < -0.5).any() and (legs[:, 1] > 0.5).any() and not (np.abs(legs[:, 1]) < 0.5).any()
    assert beam(found, np.degrees(np.arctan2(0.57, 2.0))) == pytest.approx(2.08, abs=0.06)


def test_a_pole_of_two_centimetres_is_found_at_three_metres() -> None:
    found = _find(Scene().floor().box((3, -0.01, 0), (3.02, 0.01, 1.5)))
    assert len(found.points) > 10
    assert np.abs(found.points[:, :2] - (3.0, 0.0)).max() < 0.05


def test_a_speck_is_left_out() -> None:
    scene = Scene().floor().box((5, -9, 0), (6, 9, 3))
    scene.depth[100, 160] = 2.0
    assert _find(scene).points[:, 0].min() > 4.9
    assert _find(scene, config=ObstacleConfig(voxel_points=1)).points[:, 0].min() < 2.1


def test_flying_pixels_are_no_obstacle() -> None:
    scene = Scene().floor().box((1.5, -0.3, 0), (1.8, 0.3, 1.0)).box((4, -9, 0), (5, 9, 3))
    inverse = torch.from_numpy(1 / scene.depth)[None, None]
    for _ in range(3):
        inverse = torch.nn.functional.avg_pool2d(inverse, 3, stride=1, padding=1, count_include_pad=False)
    scene.depth = (1 / inverse[0, 0]).numpy()
    found = _find(scene)
    between = (found.points[:, 0] > 1.9) & (found.points[:, 0] < 3.7)
    assert not between.any()
    assert (found.points[:, 0] < 1.6).sum() > 50 and (found.points[:, 0] > 3.9).sum() > 50


def test_one_point_a_voxel() -> None:
    found = _find(Scene().floor().box((3, -9, 0), (4, 9, 3)), config=ObstacleConfig(voxel_size=0.1))
    cubes = np.floor(found.points / 0.1).astype(int)
    assert len(np.unique(cubes, axis=0)) == len(cubes)


def test_the_robots_own_body_is_neither_obstacle_nor_free() -> None:
    scene = Scene().floor()
    scene.depth[180:, 100:200] = 0.3
    mask = torch.ones(240, 320, dtype=torch.bool)
    mask[180:, 100:200] = False
    assert len(_find(scene).points)
    found = _find(scene, mask=mask)
    assert not len(found.points)
    assert found.free[:, 0].min() > 0.31
    assert np.isposinf(beam(found, 0.0))


def test_an_uncertain_depth_is_unknown() -> None:
    scene = Scene().floor().box((3, -9, 0), (4, 9, 3))
    sigma = torch.where(torch.arange(320) < 160, 0.01, 0.6) * scene.tensor
    found = _find(scene, uncertainty=sigma)
    assert (found.points[:, 1] > -0.01).all() and len(found.points) > 100
    assert found.free[:, 1].min() > -0.01
    assert np.isnan(beam(found, -20.0)) and beam(found, 20.0) == pytest.approx(3.19, abs=0.03)
    assert (_find(scene, uncertainty=sigma, max_relative_error=0.7).points[:, 1] < -1).any()


def test_what_is_near_is_an_obstacle_even_where_little_is_known_of_it() -> None:
    near, far = (Scene().floor().box((x, -9, 0), (9, 9, 3)) for x in (0.8, 3.0))
    assert len(_find(near, uncertainty=0.6 * near.tensor).points)
    assert not len(_find(far, uncertainty=0.6 * far.tensor).points)
    assert not len(_find(near, uncertainty=0.6 * near.tensor, max_relative_error=0.1).points)


def test_an_uncertain_surface_yields_to_a_certain_one_beside_it() -> None:
    scene = Scene().floor().box((3, -9, 0), (4, 9, 1.0))
    sigma = torch.full((240, 320), 0.001)
    scene.depth[60:80:4] = 2.7  # some rows are seen too near
    sigma[60:80:4] = 0.3
    assert _find(scene, uncertainty=sigma).points[:, 0].min() > 2.95


def test_unknown_and_sky() -> None:
    scene = Scene().floor()
    scene.depth[:, :160] = np.nan  # bearings above 0
    found = _find(scene)
    assert not len(found.points)
    assert np.isnan(beam(found, 10.0)) and np.isposinf(beam(found, -10.0))
    assert found.free[:, 1].max() < 0.05
    scene = Scene()  # sky above, and the floor is not seen
    scene.depth[120:] = np.nan
    found = _find(scene)
    assert found.scan is not None and np.isnan(found.scan.ranges).all()


@pytest.mark.parametrize("value", [np.nan, -1.0, 0.0])
def test_no_depth_gives_nothing(value: float) -> None:
    scene = Scene()
    scene.depth[:] = value
    found = _find(scene)
    assert found.points.shape == (0, 3) and found.free.shape == (0, 3)
    assert found.points.dtype == found.free.dtype == np.float32
    assert found.scan is not None and np.isnan(found.scan.ranges).all()


@pytest.mark.parametrize("sigma", [None, torch.inf])
def test_infinity_everywhere_is_free(sigma: float | None) -> None:
    found = _find(Scene(), uncertainty=None if sigma is None else torch.full((240, 320), sigma))
    assert not len(found.points)
    assert found.scan is not None and np.isposinf(found.scan.ranges[2:-2]).all()
    assert np.allclose(np.hypot(found.free[:, 0], found.free[:, 1]), CONFIG.max_range, atol=1e-3)


def test_nothing_beyond_the_range() -> None:
    scene = Scene().floor().box((3, -9, 0), (4, 9, 3))
    found = _find(scene, config=ObstacleConfig(max_range=2.5))
    assert not len(found.points)
    assert found.scan is not None and found.scan.range_max == 2.5 and np.isposinf(beam(found, 0.0))


def test_a_camera_upside_down() -> None:
    base = looking(roll_deg=180.0)
    found = _find(Scene(base).floor().box((2, 0.3, 0), (2.2, 0.8, 0.5)), base)
    assert len(found.points) > 10
    assert found.points[:, 0].min() > 1.99 and found.points[:, 1].min() > 0.29 and found.points[:, 1].max() < 0.81


@pytest.mark.parametrize("pitch", [90.0, -90.0])
def test_a_camera_that_looks_straight_down_or_up(pitch: float) -> None:
    base = looking(pitch_deg=pitch)
    found = _find(Scene(base).floor(start=-99.0).box((-9, -9, 2.5), (9, 9, 3)), base)
    assert not len(found.points)
    assert found.scan is not None and np.isnan(found.scan.ranges).all()


def test_a_camera_ahead_of_the_base_measures_from_the_base() -> None:
    base = LEVEL.copy()
    base[0, 3] = 0.5
    found = _find(Scene(base).floor().box((3, -9, 0), (4, 9, 3)), base)
    assert beam(found, 0.0) == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize("size", [(643, 479), (1919, 1081), (100, 60), (1, 1)])
def test_images_of_any_size(size: tuple[int, int]) -> None:
    camera = Camera.from_fov(size, 70.0)
    scene = Scene(camera=camera).floor().box((3, -9, 0), (4, 9, 3))
    found = find_obstacles(scene.tensor, camera, LEVEL, CONFIG)
    if size != (1, 1):
        assert np.allclose(found.points[:, 0], 3.0, atol=1e-3) and len(found.points) > 20


@pytest.mark.parametrize(
    ("model", "distortion"), [("plumb_bob", (-0.25, 0.06, 0.001, -0.001, 0.0)), ("equidistant", (0.01, 0.0, 0.0, 0.0))]
)
def test_lenses_with_distortion(model: str, distortion: tuple[float, ...]) -> None:
    camera = Camera(320, 240, 150.0, 150.0, 160.0, 120.0, model, distortion)
    found = find_obstacles(Scene(camera=camera).floor().box((3, -9, 0), (4, 9, 3)).tensor, camera, LEVEL, CONFIG)
    assert np.allclose(found.points[:, 0], 3.0, atol=1e-3) and len(found.points) > 100
    assert np.isfinite(found.free).all()


def test_a_wide_lens_leaves_no_gap_in_the_scan() -> None:
    camera = Camera(320, 240, 100.0, 100.0, 159.5, 119.5, "equidistant", (0.0, 0.0, 0.0, 0.0))
    scene = Scene(camera=camera).floor().box((3, -9, 0), (4, 9, 3))
    scene.box((-9, 3, 0), (9, 4, 3)).box((-9, -4, 0), (9, -3, 3))
    found = find_obstacles(scene.tensor, camera, LEVEL, CONFIG)
    assert found.scan is not None
    bearing = np.degrees(found.scan.angle_min + found.scan.angle_increment * np.arange(len(found.scan.ranges)))
    assert bearing.max() > 80 and np.isfinite(found.scan.ranges[np.abs(bearing) < 80]).all()


def test_without_a_base_frame_the_floor_is_the_one_that_is_seen() -> None:
    base = looking(pitch_deg=8.0, roll_deg=4.0)
    scene = Scene(base).floor().box((3, -9, 0), (4, 9, 3)).box((2, -0.2, 0), (2.3, 0.2, 0.5))
    found = _find(scene, None)
    assert found.scan is None
    points = transform_points(base, found.points)
    assert np.abs(points[:, 0][np.abs(points[:, 1]) > 0.5] - 3.0).max() < 0.05
    assert ((points[:, 0] < 2.4) & (np.abs(points[:, 1]) < 0.25)).sum() > 10
    assert points[:, 2].min() > 0.08
    free = transform_points(base, found.free)
    assert np.abs(free[free[:, 0] < 1.9, 2]).max() < 0.02


def test_without_a_base_frame_and_floor_nothing_is_invented() -> None:
    wall = Scene().box((1, -9, -9), (2, 9, 9))
    for scene in (wall, Scene()):
        with pytest.raises(ObstacleError, match=r"no floor is seen.*base_frame") as raised:
            _find(scene, None)
        assert raised.value.reason == "no_floor"
    assert len(_find(wall).points)


def test_what_does_not_fit_is_refused() -> None:
    scene = Scene().floor()
    with pytest.raises(ObstacleError, match="the mask is 100x100, the depth 320x240") as raised:
        _find(scene, mask=torch.ones(100, 100, dtype=torch.bool))
    assert raised.value.reason == "mask_size"
    with pytest.raises(CameraError, match="320x240"):
        find_obstacles(scene.tensor, Camera.from_fov((640, 480), 70.0), LEVEL, CONFIG)
    with pytest.raises(ObstacleError, match=r"-0.1 m above the base frame") as raised:
        _find(scene, looking(eye=-0.1))
    assert raised.value.reason == "ground_height"
    for wrong in (np.full((4, 4), np.nan), 2 * LEVEL, np.diag([1.0, 1.0, -1.0, 1.0]) @ LEVEL):
        with pytest.raises(ConfigError, match="transform"):
            _find(scene, wrong)
    with pytest.raises(ConfigError, match=r"min_height is 2 m, expected less than max_height, 1\.8 m"):
        ObstacleConfig(min_height=2.0)


def test_the_same_image_gives_the_same_result() -> None:
    scene = Scene().floor().box((3, -9, 0), (4, 9, 3))
    for base in (LEVEL, None):
        first, second = _find(scene, base), _find(scene, base)
        assert np.array_equal(first.points, second.points) and np.array_equal(first.free, second.free)
