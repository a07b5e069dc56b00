# SPDX-License-Identifier: Apache-2.0
"""Nodes that publish images and record."""
