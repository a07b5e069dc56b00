# SPDX-License-Identifier: Apache-2.0
"""Files and arrays: images, video, webcam, depth maps, point clouds, calibrations."""
