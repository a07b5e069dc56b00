# SPDX-License-Identifier: Apache-2.0
"""Checkpoints from the Hugging Face hub: from its cache without network, else fetched once."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from mono_depth_ros.errors import ModelError

LOGGER = logging.getLogger(__name__)
FILES = ["config.json", "*.safetensors", "*.safetensors.index.json"]
"""What is fetched: no pickles, no code."""


def is_hub_name(name: str) -> bool:
    """True for `organisation/repository`; False for catalogue names and for paths that say they are paths."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name) is not None


def snapshot(repository: str, revision: str = "") -> Path:
    """The local directory of a hub repository's checkpoint, fetched at first use.

    The cache is asked first, so a robot starts without network and with the weights it was tested with. HF_HOME,
    HF_HUB_OFFLINE and HF_ENDPOINT are honoured, as huggingface_hub does.

    Raises:
        ModelError: neither cached nor reachable; says how to fetch it elsewhere and where to put it.
    """
    hub = _huggingface_hub(repository)
    try:
        cached = Path(hub.snapshot_download(repository, allow_patterns=FILES, local_files_only=True))
        if (cached / "config.json").is_file() and any(cached.glob("*.safetensors")):
            return cached
    except Exception as error:  # hub and file errors share no base class; what stays wrong is raised below
        LOGGER.debug("%s is not in the cache: %s", repository, error)
    LOGGER.info("fetching %s from the hub", repository)
    try:
        return Path(hub.snapshot_download(repository, allow_patterns=FILES))
    except Exception as error:  # requests, httpx, hub and file errors share no base class
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        found = f"{repository} is neither a directory here nor in the local cache, and cannot be fetched ({reason})"
        raise ModelError(f"{found}. {fetch_advice(repository)}") from error


def fetch_advice(repository: str) -> str:
    """How to get a checkpoint on a machine with network, and how to use it here."""
    folder = repository.rpartition("/")[2]
    return (
        f"Where there is network run `hf download {repository} --local-dir {folder}`, copy the folder here "
        f"and give its path as the model (model:=/path/to/{folder})"
    )


def _huggingface_hub(name: str) -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ModelError(missing_extra(name)) from error
    return huggingface_hub


def missing_extra(name: str) -> str:
    """The sentence for a machine without transformers."""
    return f"{name} needs the package transformers: pip install 'mono_depth_ros[transformers]'"
