# SPDX-License-Identifier: Apache-2.0
"""Train the embedded depth network on the synthetic world, and measure it."""

from __future__ import annotations
