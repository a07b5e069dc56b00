# SPDX-License-Identifier: Apache-2.0
"""Depth as a robot needs it that drives: obstacles above the floor, thinned, and how far each direction is free."""
