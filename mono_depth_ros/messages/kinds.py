# SPDX-License-Identifier: Apache-2.0
"""Names of message types, as recordings and DDS know them."""

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
CLOUD = "sensor_msgs/msg/PointCloud2"
SCAN, RANGE = "sensor_msgs/msg/LaserScan", "sensor_msgs/msg/Range"
DISPARITY = "stereo_msgs/msg/DisparityImage"
IMU = "sensor_msgs/msg/Imu"
