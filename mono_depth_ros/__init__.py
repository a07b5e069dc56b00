# SPDX-License-Identifier: Apache-2.0
"""One camera in; metric depth, a point cloud and an honest error figure out, in ROS 2."""

__version__ = "0.1.0"
