# SPDX-License-Identifier: Apache-2.0
"""What a file is that is no calibration, or of a kind that is not read: its name, and what to do."""

from __future__ import annotations

import re
from typing import Any

EXPECTED = "expected a calibration of ROS (its file or an echo), OpenCV, Kalibr, EuRoC or KITTI, or a 3x3 matrix"
_NUMBERS = "give its numbers as fx,fy,cx,cy"

_KEYS: tuple[tuple[set[str], str], ...] = (
    ({"scenes"}, "a scale file of mono_depth"),
    ({"rosbag2_bagfile_information"}, "the metadata of a bag"),
    ({"accelerometer_noise_density"}, "the calibration of an IMU"),
    ({"gyroscope_noise_density"}, "the calibration of an IMU"),
    ({"target_type"}, "the description of a calibration target (Kalibr)"),
    ({"images", "annotations"}, "annotations in the format of COCO"),
    ({"fl_x"}, f"a transforms.json of NeRF tools, whose images may be distorted: {_NUMBERS} (fl_x, fl_y, cx, cy)"),
    ({"camera_angle_x"}, "a transforms.json of NeRF tools: give --hfov, its camera_angle_x in degrees"),
    ({"Camera.fx"}, f"settings of ORB-SLAM: {_NUMBERS} (Camera.fx and so on)"),
    ({"Camera1.fx"}, f"settings of ORB-SLAM: {_NUMBERS} (Camera1.fx and so on)"),
    ({"model_type", "cam0"}, "a configuration of a SLAM system"),
    ({"estimator_file"}, "a configuration of a SLAM system"),
    ({"projection_parameters"}, f"a camera of camodocal, as VINS has it: {_NUMBERS} where its distortion is zero"),
    ({"cameras"}, f"a rig of several cameras: {_NUMBERS} of one"),
    ({"value0"}, "a calibration of Basalt, whose models are not read"),
    ({"fx", "fy", "cx", "cy"}, f"the numbers of a camera by themselves: {_NUMBERS}, if its distortion is zero"),
    ({"ppx", "ppy"}, f"the intrinsics of a RealSense camera: {_NUMBERS} (fx, fy, ppx, ppy)"),
    ({"cameraData"}, "the calibration of an OAK device: its ROS driver publishes camera_info"),
    ({"boardName"}, "the description of an OAK device: its ROS driver publishes camera_info"),
    ({"CalibrationInformation"}, "the calibration of an Azure Kinect: its ROS driver publishes camera_info"),
    ({"product_line"}, "settings of a depth camera"),
    ({"device"}, "settings of a depth camera"),
    ({"input", "outputs"}, "the description of an ONNX model"),
    ({"architectures"}, "the configuration of a network"),
)
_ROOTS = {
    "<robot>": "a URDF: the description of a robot",
    "<sdf>": "an SDF: the description of a simulated world",
    "<launch>": "a launch file",
    "<package>": "a package.xml",
    "<calibration>": f"a camera of Metashape: {_NUMBERS}",
}
_COLMAP = r"SIMPLE_PINHOLE|PINHOLE|SIMPLE_RADIAL|RADIAL|OPENCV|OPENCV_FISHEYE|FULL_OPENCV|FOV|THIN_PRISM_FISHEYE"
_TEXTS = (
    (rf"^\d+ ({_COLMAP})(_FISHEYE)? \d+ \d+ ", f"a cameras.txt of COLMAP: {_NUMBERS}, cx and cy less .5"),
    (r"^\[(LEFT|RIGHT|STEREO)_?(CAM_)?\w*\]$", f"the factory calibration of a ZED camera: {_NUMBERS} of one section"),
    (r"^(Pinhole|RadTan|FOV|EquiDistant|KannalaBrandt) [-\d.]", f"a camera of DSO: {_NUMBERS}"),
    (r"^Tr_velo_to_cam|^R_rect|^calib_time:", "a calibration between sensors of KITTI without a camera (P or K)"),
    (r"^Camera-system parameters|^Calibration results", "a report of Kalibr: its camchain YAML is read"),
    (r"^array\('d', ", "one field of a camera_info: echo the whole message, without --field"),
    (r"^# timestamp|^#timestamp", "a list of poses or of images"),
)


def what_text(text: str) -> str:
    """A file by its text, in words; "" where that does not tell."""
    return next((what for pattern, what in _TEXTS if re.search(pattern, text, re.MULTILINE)), "")


def what_content(content: Any) -> str:
    """A file by what it holds, in words."""
    if content is None:
        return "empty"
    if not isinstance(content, dict):
        return "a list" if isinstance(content, list) else "a text without keys"
    keys = {str(key) for key in content}
    if root := next((what for name, what in _ROOTS.items() if name in keys), ""):
        return root
    inner = [value for value in content.values() if isinstance(value, dict)]
    if any("ros__parameters" in value for value in inner) or "ros__parameters" in keys:
        return "a file of ROS parameters"
    for level in (keys, *({str(key) for key in value} for value in inner)):
        for needed, what in _KEYS:
            if needed <= level:
                return what
    if content.get("sensor_type") == "imu" or "imu" in str(content.get("rostopic", "")):
        return "the calibration of an IMU"
    if "sensor_type" in content and content["sensor_type"] != "camera":
        return f"the description of a sensor of the type {content['sensor_type']}"
    names = ", ".join(sorted(keys)[:6])
    return f"a file with the keys {names}" if keys else "empty"
