# SPDX-License-Identifier: Apache-2.0
"""Ground truth that lies beside the images of a folder, in the 7-Scenes layout."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np

from mono_depth_ros.errors import DataError
from mono_depth_ros.media.images import images_in, read_image

_UNKNOWN = (0, 65535)
_MM_PER_M = 1000.0


class FolderTruth:
    """Depth of the images of a folder: `NAME.depth.png` beside `NAME.color.jpg`, 16-bit millimetres.

    Messages do not tell from which file they come, but a raw image is the file's pixels: they are looked up by them.
    """

    def __init__(self, folder: Path) -> None:
        self._files: dict[bytes, Path] = {}
        for path in images_in(folder):
            depth = path.with_name(path.name.rpartition(".color.")[0] + ".depth.png")
            if ".color." in path.name and depth.is_file():
                self._files[_key(read_image(path))] = depth

    def __len__(self) -> int:
        return len(self._files)

    def __call__(self, rgb: np.ndarray) -> np.ndarray | None:
        """(H, W) float32 metres, NaN unknown; None for an image that is not of the folder or of another size.

        Raises:
            DataError: the depth file cannot be read.
        """
        path = self._files.get(_key(rgb))
        if path is None:
            return None
        raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if raw is None or raw.dtype != np.uint16 or raw.ndim != 2:
            raise DataError(f"{path} is no 16-bit depth image")
        if raw.shape != rgb.shape[:2]:
            return None
        return np.where(np.isin(raw, _UNKNOWN), np.nan, raw / _MM_PER_M).astype(np.float32)


def _key(rgb: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(rgb).data, digest_size=16).digest()
