# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bag`: every frame of a recording, without ROS."""
