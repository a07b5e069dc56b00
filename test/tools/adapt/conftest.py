# SPDX-License-Identifier: Apache-2.0
"""The fixtures of test/bags."""

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location("bags_conftest", Path(__file__).parents[2] / "bags" / "conftest.py")
_module = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = _module
_spec.loader.exec_module(_module)
maker, kit = _module.maker, _module.kit
