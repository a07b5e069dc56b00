# SPDX-License-Identifier: Apache-2.0
"""Depth networks: what is known of them, how they are loaded, and what runs them.

`load_model` and `list_models` are imported when they are asked for: the catalogue is read without torch.
"""

from __future__ import annotations

from typing import Any

_HOMES = {"load_model": "loading", "list_models": "base"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
