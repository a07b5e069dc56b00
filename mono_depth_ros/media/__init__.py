# SPDX-License-Identifier: Apache-2.0
"""Files and arrays: images, video, webcam, depth maps, point clouds, calibrations."""

CAMERA_HELP = (
    "fx,fy,cx,cy in pixels of the images as they are, a calibration FILE.yaml as camera_calibration writes it, "
    "or a FILE.txt with the 3x3 matrix"
)
