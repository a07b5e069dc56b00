# SPDX-License-Identifier: Apache-2.0
"""ROS messages to arrays and back, by attribute and without importing ROS: rclpy and `rosbags` messages both work."""
