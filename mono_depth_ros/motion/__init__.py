# SPDX-License-Identifier: Apache-2.0
"""Depth from the camera's own motion: corner tracks, poses and triangulation, without ROS."""
