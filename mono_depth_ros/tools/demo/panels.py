# SPDX-License-Identifier: Apache-2.0
"""`frame_*.png`: image, depth, ground truth and error side by side in one picture, with their scales."""

from __future__ import annotations

import cv2
import numpy as np

from mono_depth_ros.tools.demo.frames import DemoFrame
from mono_depth_ros.tools.report.pictures import DepthScale, Scale, error_picture, error_scale

_FONT, _INK, _PAPER, _QUIET = cv2.FONT_HERSHEY_SIMPLEX, (52, 44, 38), (255, 255, 255), (128, 118, 110)  # BGR
_GAP, _TITLE, _BAR, _FOOT = 16, 38, 14, 44  # pixels


def pictures(frame: DemoFrame, scale: DepthScale) -> list[tuple[str, np.ndarray, Scale | None]]:
    """Title, (H, W, 3) uint8 BGR and colour bar of each picture: image and depth, then ground truth and error.

    Each half has one more for each aligned depth; without ground truth the second half is missing.
    """
    bar = scale.scale()
    all_depths = (("", frame.depth), (", aligned", frame.aligned), (", by motion", frame.motion))
    depths = [(which, depth) for which, depth in all_depths if depth is not None]
    found: list[tuple[str, np.ndarray, Scale | None]] = [("image", cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR), None)]
    found += [(f"depth{which}", scale.picture(depth), bar) for which, depth in depths]
    if frame.truth is not None:
        found.append(("ground truth", scale.picture(frame.truth), bar))
        found += [(f"error{which}", error_picture(depth, frame.truth), error_scale()) for which, depth in depths]
    return found


def panel(frame: DemoFrame, scale: DepthScale, width: int = 640) -> np.ndarray:
    """(h, w, 3) uint8 BGR: image and depth in a row, ground truth and error below; a column more for each alignment.

    Each picture is `width` pixels wide; without ground truth there is one row.
    """
    cells = [_cell(title, picture, bar, width) for title, picture, bar in pictures(frame, scale)]
    columns = 2 + (frame.aligned is not None) + (frame.motion is not None)
    rows = [np.hstack(cells[start : start + columns]) for start in range(0, len(cells), columns)]
    return cv2.copyMakeBorder(np.vstack(rows), _GAP, 0, _GAP, 0, cv2.BORDER_CONSTANT, value=_PAPER)


def _cell(title: str, picture: np.ndarray, scale: Scale | None, width: int) -> np.ndarray:
    height = round(picture.shape[0] * width / picture.shape[1])
    kind = cv2.INTER_AREA if picture.shape[1] > width else cv2.INTER_LINEAR
    cell = np.full((_TITLE + height + _FOOT + _GAP, width + _GAP, 3), _PAPER, np.uint8)
    _text(cell, title, (0, _TITLE - 14), 0.62, _INK)
    cell[_TITLE : _TITLE + height, :width] = cv2.resize(picture, (width, height), interpolation=kind)
    if scale is not None:
        top = _TITLE + height + 8
        columns = np.linspace(0, len(scale.colours) - 1, width).astype(int)
        cell[top : top + _BAR, :width] = scale.colours[columns]
        for place, text in scale.ticks:
            text = text.replace("≥", ">=")  # OpenCV's letters are ASCII
            size = cv2.getTextSize(text, _FONT, 0.42, 1)[0][0]
            x = int(np.clip(place * width - size / 2, 0, width - size))
            _text(cell, text, (x, top + _BAR + 15), 0.42, _QUIET)
    return cell


def _text(image: np.ndarray, text: str, place: tuple[int, int], size: float, colour: tuple[int, int, int]) -> None:
    cv2.putText(image, text, place, _FONT, size, colour, 1, cv2.LINE_AA)
