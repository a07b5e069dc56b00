# SPDX-License-Identifier: Apache-2.0
"""rviz2 with a view of what the nodes publish."""
