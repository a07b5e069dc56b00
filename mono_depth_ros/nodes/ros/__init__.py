# SPDX-License-Identifier: Apache-2.0
"""About ROS, nothing about depth."""
