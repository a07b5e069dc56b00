# SPDX-License-Identifier: Apache-2.0
"""Checkpoints from the Hugging Face hub: from its cache without network, else fetched once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mono_depth_ros.models.weights.cache import find_snapshot
from mono_depth_ros.models.weights.fetch import fetch, log_progress


def snapshot(repository: str, revision: str = "", known: Mapping[str, str] | None = None, file: str = "") -> Path:
    """The local directory of a hub repository's checkpoint, fetched at first use.

    The cache is asked first, so a robot starts without network and with the weights it was tested with.

    Args:
        revision: a commit, branch or tag; "" is `main`.
        known: SHA-256 that files must have when they are fetched, by their names.
        file: the one file that is the checkpoint, where it is not in the format of transformers.

    Raises:
        ModelError: neither cached nor to be fetched; says why, how to fetch it elsewhere and where to put it.
    """
    found = find_snapshot(repository, revision, file)
    return found or fetch(repository, revision, known, log_progress(repository), file)


def missing_extra(name: str) -> str:
    """The sentence for a machine without transformers."""
    return f"{name} needs the package transformers: pip install 'mono_depth_ros[transformers]'"
