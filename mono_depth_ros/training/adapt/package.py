# SPDX-License-Identifier: Apache-2.0
"""The result of an adaptation as a directory that is a model: written whole, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mono_depth_ros.atomic import saying_why
from mono_depth_ros.errors import DataError
from mono_depth_ros.models.weights.files import WHOLE

CONFIG, CARD, REPORT, PROCESSING = "config.json", "README.md", "report.html", "preprocessor.yaml"
FILES = (CONFIG, WHOLE, PROCESSING, CARD, REPORT)


def check_target(out: Path, force: bool) -> None:
    """What can be wrong with the directory that is to be written, before anything is trained.

    Raises:
        DataError: it is there, and not to be replaced, or holds something else. OSError: it cannot be written.
    """
    if out.exists():
        others = sorted(item.name for item in out.iterdir() if item.name not in FILES) if out.is_dir() else [out.name]
        if others:
            raise DataError(f"{out} holds {', '.join(others[:3])}, expected a new directory or one of an adaptation")
        if not force and any(out.iterdir()):
            raise DataError(f"{out} is there already: expected another directory, or --force to replace it")
    with saying_why(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out.parent).close()


@contextmanager
def whole_directory(out: Path) -> Iterator[Path]:
    """Yield a new directory beside `out`; it becomes `out` on success, in place of what is there, and goes on an error.

    Raises:
        OSError: it cannot be written: with the reason.
    """
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name[:200]}-", dir=out.parent))
    try:
        with saying_why(out, folder):
            yield folder
            umask = os.umask(0)
            os.umask(umask)
            folder.chmod(0o777 & ~umask)
            for item in folder.iterdir():
                with item.open("rb") as file:
                    os.fsync(file.fileno())
            before = Path(tempfile.mkdtemp(prefix=f".{out.name[:200]}-", dir=out.parent))
            if out.exists():
                os.replace(out, before / out.name)
            os.replace(folder, out)
            shutil.rmtree(before)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_config(folder: Path, values: dict[str, Any]) -> None:
    """config.json: what a loader needs, and what the model was made from."""
    (folder / CONFIG).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
