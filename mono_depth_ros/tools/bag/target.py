# SPDX-License-Identifier: Apache-2.0
"""Where the result goes, and how far it is: a record inside of it, from which another run may go on.

A bag folder grows in place; a single file is joined at last from the segments beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import Reader

from mono_depth_ros.bags.metadata import BUSY, kept_text, read_metadata
from mono_depth_ros.bags.writer import BagFile, Channel
from mono_depth_ros.config import ModelConfig
from mono_depth_ros.errors import DataError, FrameError
from mono_depth_ros.streams.reasons import Reasons

PART = ".part"
"""Added to the name of a single file for the folder that it grows in; that folder is a bag of what is finished."""

_SUFFIXES = {".mcap": "mcap", ".db3": "sqlite3"}
_FORMAT = 2
_PROBE = 2**20
_STEM = 60  # characters of the names of storage files: with four bytes each, and a number, they fit a file system


@dataclass
class Progress:
    """How far a conversion is.

    Attributes:
        options: everything that decides the bytes of the result, by name. source: of the input, by file.
        batches: finished. frames: images read, of which `written` became depth and `dropped` did not, by reason.
        reasons: of `dropped`, see `Reasons.values`. without_obstacles: likewise, of results.
        messages: written, by topic, and files of each export by its name.
        alignment, map: their sums and state, as JSON values. image_bits: see `BitDepth.found`.
        notes: sentences on what else is missing. damage: of the input. done: the input was read to its end or damage.
    """

    options: dict[str, Any]
    source: dict[str, Any]
    batches: int = 0
    frames: int = 0
    written: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, Any] = field(default_factory=dict)
    without_obstacles: dict[str, Any] = field(default_factory=dict)
    messages: dict[str, int] = field(default_factory=dict)
    alignment: dict[str, Any] = field(default_factory=dict)
    map: dict[str, Any] = field(default_factory=dict)
    image_bits: int = 0
    notes: list[str] = field(default_factory=list)
    damage: str = ""
    done: bool = False

    def drop(self, problem: FrameError) -> None:
        """Count a frame without depth."""
        self.dropped[problem.reason] = self.dropped.get(problem.reason, 0) + 1
        reasons = Reasons(self.reasons)
        reasons.add(str(problem), problem.reason)
        self.reasons = reasons.values()

    def no_obstacles(self, reason: str, sentence: str) -> None:
        """Count a result without obstacles."""
        reasons = Reasons(self.without_obstacles)
        reasons.add(sentence, reason)
        self.without_obstacles = reasons.values()

    def wrote(self, what: str) -> None:
        """Count a message of a topic, or a file of an export."""
        self.messages[what] = self.messages.get(what, 0) + 1

    def record(self) -> str:
        """As the text that is kept in the bag."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, sort_keys=True)

    @classmethod
    def parse(cls, text: str, where: Path) -> Progress:
        """Raises DataError unless `text` is a record of this version."""
        try:
            values = json.loads(text)
            if values.pop("format") != _FORMAT:
                raise ValueError("another version")
            return cls(**values)
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{where} was not begun by this version of mono_depth bag: {error}") from error

    @classmethod
    def of(cls, folder: Path) -> Progress | None:
        """Of a bag folder; None where nothing is finished yet.

        Raises:
            DataError: it is a bag of somebody else.
        """
        metadata = read_metadata(folder)
        if metadata is None:
            return None
        text = (metadata.get("custom_data") or {}).get("mono_depth")
        if text is None:
            raise DataError(f"{folder} is a bag that mono_depth bag has not written")
        return cls.parse(text, folder)

    def check(self, options: dict[str, Any], source: dict[str, Any], where: Path) -> None:
        """Raise DataError where this was begun with something else; the sentence says with what."""
        if self.source != source:
            raise DataError(
                f"{where} was begun from another input: found {_brief(source)}, expected {_brief(self.source)}"
            )
        if other := other_option(self.options, options):
            raise DataError(f"{where} was begun with {other}: the same is needed to go on")


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
        # The name stands in metadata.yaml, which has no line breaks and is UTF-8.
        stem = "".join(c if c.isprintable() else "_" for c in (out.stem if single else out.name))[:_STEM]
        return cls(out, folder, stem, _SUFFIXES.get(out.suffix, storage))

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
        self.check_place(source)
        for path in dict.fromkeys((self.out, self.folder)):
            if path.exists() and not (force or resume):
                hint = "--resume goes on with it, --force begins anew" if path == self.folder else "--force replaces it"
                raise DataError(f"{path} exists: {hint}")
            if path.is_dir():
                _check_bag(path)

    def check_place(self, source: Path) -> None:
        """Raise DataError where this is, holds or lies in the input."""
        for path in dict.fromkeys((self.out, self.folder)):
            there, read = path.resolve(), source.resolve()
            if there == read or there in read.parents or read in there.parents:
                raise DataError(f"{path} is, holds or lies in the input {source}: choose another --out")

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


def recorded_engine(out: Path, storage: str) -> str:
    """What ran the network in what an unfinished conversion has written, such as "torch fp16"; "" where nothing is."""
    try:
        progress = Progress.of(Target.of(out, storage).folder)
    except DataError:  # said where it is gone on with
        return ""
    return str(progress.options.get("engine", "")) if progress is not None else ""


def with_engine(model: ModelConfig, engine: str) -> ModelConfig:
    """The configuration with what `auto` has chosen before, such as "torch fp16"; "": as it is."""
    name, _, precision = engine.partition(" ")
    if not precision:
        return model
    return replace(
        model,
        engine=name if model.engine == "auto" else model.engine,
        precision=precision if model.precision == "auto" else model.precision,
    )


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


def fingerprint(files: list[Path]) -> dict[str, Any]:
    """Size of each file and SHA-256 of its first and last MiB: enough to notice another bag, fast for large ones."""
    found = {}
    for path in files:
        size = path.stat().st_size
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            digest.update(stream.read(_PROBE))
            stream.seek(max(0, size - _PROBE))
            digest.update(stream.read(_PROBE))
        found[path.name] = [size, digest.hexdigest()]
    return found


def other_option(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The first option that is not the same, in words; "" where all are."""
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            return f"{name} {before.get(name)!r}, found {now.get(name)!r}"
    return ""


def _brief(source: dict[str, Any]) -> str:
    return ", ".join(f"{name} of {size} bytes" for name, (size, _) in source.items()) or "nothing"
