# SPDX-License-Identifier: Apache-2.0
"""Image files: which ones are meant, and the names of what is made of them."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mono_depth_ros.errors import DataError
from mono_depth_ros.media.images import images_in


def find_images(given: Sequence[str]) -> list[Path]:
    """The images meant by files, folders and patterns such as `run/*.png`, in the order given, each once.

    Of a folder its images are taken as `images_in` has them.

    Raises:
        DataError: something that does not exist, or a folder without images.
    """
    found: dict[Path, None] = {}
    for text in given:
        found.update(dict.fromkeys(_expand(text)))
    return list(found)


def output_names(inputs: Sequence[Path], outputs: Callable[[Path], Iterable[Path]]) -> list[Path]:
    """A relative path without suffix for the results of each input; no two inputs ever write the same file.

    The name of the input alone where that is enough; else with its folders below the common one; else with its suffix
    too (`a.jpg` and `a.png` side by side).

    Args:
        outputs: gives all the files that would be written for such a path.

    Raises:
        DataError: even then two inputs would write one file.
    """
    absolute = [Path(os.path.abspath(path)) for path in inputs]
    common = Path(os.path.commonpath([path.parent for path in absolute]))
    relative = [path.relative_to(common) for path in absolute]
    choices = ([Path(path.stem) for path in inputs], [path.with_suffix("") for path in relative], relative)
    clash: Path | None = None
    for names in choices:
        files = Counter(file for name in names for file in outputs(name))
        clash = next((file for file, count in files.items() if count > 1), None)
        if clash is None:
            return names
    raise DataError(f"two inputs would write {clash}: give them to separate runs with separate --out")


def _expand(text: str) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        return images_in(path)
    if path.exists():
        return [path]
    matches = [Path(name) for name in sorted(glob.glob(text, recursive=True)) if Path(name).is_file()]
    if not matches:
        kind = "no file matches the pattern" if glob.has_magic(text) else "no such file or folder:"
        raise DataError(f"{kind} {text}")
    return matches
