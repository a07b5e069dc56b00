# SPDX-License-Identifier: Apache-2.0
"""Depth against a reference: the error metrics, and the fits of scale and shift."""

from __future__ import annotations
