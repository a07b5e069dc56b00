# SPDX-License-Identifier: Apache-2.0
"""YAML, JSON and XML as tools write them, to plain values: nothing in them can take memory or stack."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import yaml

from mono_depth_ros.config.yaml_text import load_yaml
from mono_depth_ros.errors import CameraError
from mono_depth_ros.paths import require_file

_MAX_BYTES = 1 << 20
_DOCUMENT = re.compile(r"^---.*$", re.MULTILINE)
_HEADER = re.compile(r"^header:.*\n(?:[ \t].*\n)*", re.MULTILINE)  # of a message: its stamp differs
_MAX_DOCUMENTS = 20
_BINARY = (
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"\x89MCAP0", "an MCAP recording"),
    (b"SQLite format 3", "a database, such as a db3 recording"),
    (b"#ROSBAG V", "a ROS 1 bag"),
    (b"PK\3\4", "an archive (zip, or .npz of numpy)"),
    (b"\x93NUMPY", "an array of numpy"),
    (b"\x80\x03", "a pickle of Python"),
    (b"\x80\x04", "a pickle of Python"),
    (b"\x1f\x8b", "packed with gzip"),
    (b"MATLAB ", "a file of MATLAB"),
)


def read_text(path: Path) -> str:
    """The text of a calibration file, its first megabyte.

    Raises:
        CameraError: it cannot be read, or is no text.
    """
    try:
        require_file(path)
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES)
    except OSError as error:
        raise CameraError(f"calibration {path} cannot be read: {error.strerror}") from error
    for start, what in _BINARY:
        if data.startswith(start):
            raise CameraError(f"calibration {path} is {what}, expected a text file with a camera's intrinsics")
    utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        if not utf16 and b"\0" in data:
            raise UnicodeDecodeError("utf-8", data, data.index(0), data.index(0) + 1, "a zero byte")
        return data.decode("utf-16" if utf16 else "utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        if len(data) == _MAX_BYTES and error.start > _MAX_BYTES - 4:
            return data[: error.start].decode("utf-8-sig")
        found = f"byte {error.start} is {data[error.start]:#04x}" if error.start < len(data) else "cut off"
        raise CameraError(f"calibration {path} is no text ({found}), expected YAML, JSON, XML or INI") from None


def documents(path: Path, text: str) -> list[Any]:
    """What a text holds: of several YAML documents those that differ in more than the header of a message.

    Raises:
        CameraError: it is neither YAML nor JSON nor XML.
    """
    if text.lstrip().startswith("<"):
        return [_xml(path, text)]
    if text.lstrip().startswith(("{", "[")):
        try:
            return [json.loads(text)]
        except (ValueError, RecursionError):
            pass  # it may be YAML all the same
    parts = [part for part in _DOCUMENT.split(re.sub(r"^%YAML.*$", "", text, flags=re.MULTILINE)) if part.strip()]
    different = list({_HEADER.sub("", part).strip(): part for part in parts}.values())[:_MAX_DOCUMENTS] or [""]
    found, problem = [], None
    for part in different:
        try:
            found.append(load_yaml(part, _Loader))
        except yaml.YAMLError as error:
            problem = problem or error
    # A listing that was interrupted ends in half a message, and tools print warnings between: the others are good.
    if problem is not None and not any(isinstance(each, dict) for each in found):
        raise CameraError(f"calibration {path} is not YAML: {' '.join(str(problem).split())}") from problem
    return found


class _Loader(yaml.SafeLoader):
    """Knows the tags of cv::FileStorage."""


def _mapping(loader: yaml.SafeLoader, node: Any) -> Any:
    return loader.construct_mapping(node, deep=True)


for _tag in ("opencv-matrix", "opencv-nd-matrix"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _mapping)


def _xml(path: Path, text: str) -> Any:
    """Of cv::FileStorage: names to values; of others: the name of the root."""
    if "<!" in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL):
        raise CameraError(f"calibration {path} is XML with declarations (<!...>), expected that of OpenCV")
    if len(re.findall(r"<[A-Za-z]", text)) > 10_000:
        raise CameraError(f"calibration {path} has over 10000 elements of XML, expected a calibration of OpenCV")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise CameraError(f"calibration {path} is not XML: {error}") from error
    if root.tag != "opencv_storage":
        return {f"<{root.tag}>": None}
    return {child.tag: _element(child) for child in root}


def _element(element: ElementTree.Element) -> Any:
    if len(element):
        block = {child.tag: _element(child) for child in element}
        if isinstance(block.get("data"), (int, float)):
            block["data"] = [block["data"]]
        return block
    words = (element.text or "").split()
    numbers = [_number(word) for word in words]
    return numbers[0] if len(numbers) == 1 else numbers


def _number(word: str) -> Any:
    try:
        return float(word)
    except ValueError:
        return word.strip('"')
