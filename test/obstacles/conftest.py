# SPDX-License-Identifier: Apache-2.0
"""Makes the helper modules of this folder importable; test files are loaded without their folder on the path."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
