# SPDX-License-Identifier: Apache-2.0
"""Train the embedded depth network on the synthetic world, and measure it.

Nothing is imported here: the rendering workers import `training.pool` and must not pay for torch.
"""

from __future__ import annotations
