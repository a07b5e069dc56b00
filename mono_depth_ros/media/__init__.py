# SPDX-License-Identifier: Apache-2.0
"""Files and arrays: images, video, webcam, depth maps, point clouds, calibrations."""

CAMERA_HELP = (
    "fx,fy,cx,cy in pixels of the images as they are, or a calibration FILE of ROS, OpenCV, Kalibr, EuRoC or KITTI or "
    "with the 3x3 matrix (FILE:NAME where it has several cameras)"
)
