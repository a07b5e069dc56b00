# SPDX-License-Identifier: Apache-2.0
"""Where the result goes: a bag folder grows in place; a single file is joined at last from the segments beside it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import Reader

from mono_depth_ros.bags.metadata import BUSY, kept_text, read_metadata
from mono_depth_ros.bags.writer import BagFile, Channel
from mono_depth_ros.errors import DataError
from mono_depth_ros.tools.bag.resume import Progress

_SUFFIXES = {".mcap": "mcap", ".db3": "sqlite3"}
PART = ".part"
"""Added to the name of a single file for the folder that it grows in; that folder is a bag of what is finished."""


@dataclass
class Target:
    """Where a conversion writes.

    Attributes:
        out: what was asked for. folder: of the segments: `out` itself, or OUT.mcap.part. stem: of the segments' names.
        storage: "mcap" or "sqlite3". metadata: of the segments that are there.
    """

    out: Path
    folder: Path
    stem: str
    storage: str
    metadata: dict[str, Any] | None = None

    @classmethod
    def of(cls, out: Path, storage: str) -> Target:
        """`storage` decides for folders; a file says it by its suffix."""
        single = out.suffix in _SUFFIXES
        folder = out.with_name(out.name + PART) if single else out
        return cls(out, folder, out.stem if single else out.name, _SUFFIXES.get(out.suffix, storage))

    @property
    def single(self) -> bool:
        """Whether one file is wanted."""
        return self.folder != self.out

    def check(self, source: Path, resume: bool, force: bool) -> None:
        """Whether this may be written.

        Raises:
            DataError: something is there already, and neither `resume` nor `force` was asked for; or it is, holds or
                lies in the input; or it is a folder that is no bag, which nothing replaces.
        """
        for path in dict.fromkeys((self.out, self.folder)):
            there, read = path.resolve(), source.resolve()
            if there == read or there in read.parents or read in there.parents:
                raise DataError(f"{path} is, holds or lies in the input {source}: choose another --out")
            if path.exists() and not (force or resume):
                hint = "--resume goes on with it, --force begins anew" if path == self.folder else "--force replaces it"
                raise DataError(f"{path} exists: {hint}")
            if path.is_dir():
                _check_bag(path)

    def begin(self, source: Path, resume: bool, force: bool) -> Progress | None:
        """What an earlier run has finished; None begins anew.

        Raises:
            DataError: as `check`, or what is there was not written by this tool.
        """
        self.check(source, resume, force)
        if resume:
            shutil.rmtree(self.folder / BUSY, ignore_errors=True)
            progress = Progress.of(self.folder)
            if self.single and self.out.exists() and (progress is None or progress.done):
                # Ended after the file was made, while the segments were being removed.
                complete = finished(self.out)
                if progress is None or progress == complete:
                    self._clear()
                    return complete
            self.metadata = read_metadata(self.folder)
            return progress
        _remove(self.folder)
        return None

    def finish(self, channels: list[Channel], compression: str, record: str) -> None:
        """Make the single file, in one step that happens or does not."""
        if not self.single or not self.folder.exists():
            return
        temporary = self.folder / BUSY / "joined"
        shutil.rmtree(self.folder / BUSY, ignore_errors=True)
        file = BagFile(temporary, channels, self.storage, compression)
        try:
            file.set_record(record)
            if self.folder.joinpath("metadata.yaml").exists():
                with Reader(self.folder) as reader:
                    for connection, log_ns, data in reader.messages():
                        file.write(connection.topic, log_ns, data)
            path = file.close()
        except BaseException:
            file.abort()
            raise
        _remove(self.out)
        os.replace(path, self.out)
        self._clear()

    def _clear(self) -> None:
        """Remove the segments; metadata.yaml, which says that all is done, goes last."""
        for item in self.folder.glob("*") if self.folder.exists() else ():
            if item.name != "metadata.yaml" and item.is_file():
                item.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)


def finished(out: Path) -> Progress:
    """Of a single file that is complete.

    Raises:
        DataError: it is a bag of somebody else.
    """
    record = kept_text(out, "mono_depth")
    if record is None:
        raise DataError(f"{out} is not a finished bag that mono_depth bag has written")
    return Progress.parse(record, out)


def _check_bag(folder: Path) -> None:
    """Raise DataError where a folder holds anything that no bag holds."""
    for item in folder.iterdir():
        if item.name not in ("metadata.yaml", BUSY) and not {".mcap", ".db3"} & set(item.suffixes):
            raise DataError(f"{folder} is a folder with {item.name} in it, expected a bag: choose another --out")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()
