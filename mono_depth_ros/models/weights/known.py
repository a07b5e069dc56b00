# SPDX-License-Identifier: Apache-2.0
"""Whether the weights in a directory are those that the catalogue means by a name, as far as it knows them."""

from __future__ import annotations

import math
from pathlib import Path

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.models.weights.files import PICKLE, WHOLE, check_digest, check_is_binary, weight_files
from mono_depth_ros.models.weights.pickles import read_directory

_TOLERANCE = 0.05
"""Of the number of parameters: some files hold tables and heads that take no part in inference."""


def check_known(directory: Path, expected: CatalogueEntry | None) -> None:
    """Raise ModelError where a file has another SHA-256 than the catalogue knows of it.

    Of weights whose SHA-256 it does not know at least their number has to be right.
    """
    if expected is None:
        return
    for name, digest in expected.files.items():
        if (directory / name).is_file():
            check_digest(directory / name, digest)
    if WHOLE in expected.files:
        return
    check_number(parameters_in(directory), expected, directory)


def check_number(count: int, expected: CatalogueEntry | None, where: Path) -> None:
    """Raise ModelError unless there are about as many weights as the catalogue says."""
    if expected is not None and abs(count / 1e6 / expected.parameters_m - 1) > _TOLERANCE:
        raise ModelError(
            f"{expected.name}: {where} holds {count / 1e6:.1f} million weights, expected about "
            f"{expected.parameters_m:g} million: other weights under its name"
        )


def parameters_in(directory: Path) -> int:
    """How many weights there are; of safetensors their headers tell it."""
    from safetensors import SafetensorError, safe_open

    files = [path for path in weight_files(directory) if path.suffix == ".safetensors"]
    if not files and (directory / PICKLE).is_file():
        return sum(value.numel() for value in read_directory(directory).values())
    count = 0
    for path in files:
        check_is_binary(path, "safetensors")
        try:
            with safe_open(path, framework="pt") as file:
                count += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
        except (SafetensorError, OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"{path}: the weights cannot be loaded, expected whole safetensors: {reason}") from error
    return count
