# SPDX-License-Identifier: Apache-2.0
"""Names: of message types, as recordings and DDS have them, and of frames, as tf2 has them."""

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
CLOUD = "sensor_msgs/msg/PointCloud2"
SCAN, RANGE = "sensor_msgs/msg/LaserScan", "sensor_msgs/msg/Range"
DISPARITY = "stereo_msgs/msg/DisparityImage"
IMU = "sensor_msgs/msg/Imu"
ODOMETRY = "nav_msgs/msg/Odometry"
POSE, POSE_WITH_COVARIANCE = "geometry_msgs/msg/PoseStamped", "geometry_msgs/msg/PoseWithCovarianceStamped"
TRANSFORM = "geometry_msgs/msg/TransformStamped"
POSES = (ODOMETRY, POSE, POSE_WITH_COVARIANCE, TRANSFORM)
"""What tells where something is; `messages.pose` reads them all."""
TF = "tf2_msgs/msg/TFMessage"


def bare(frame: str) -> str:
    """A frame's name as tf2 has it; older drivers, and older recordings, put a slash before it."""
    return frame.removeprefix("/")
