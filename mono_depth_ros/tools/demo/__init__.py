# SPDX-License-Identifier: Apache-2.0
"""`mono_depth demo`: camera, lidar, depth node and recorder as processes talking ROS 2, and a report."""
