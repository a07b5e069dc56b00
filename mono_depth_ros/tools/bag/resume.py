# SPDX-License-Identifier: Apache-2.0
"""What a conversion has finished, kept inside the bag it writes, and whether another run may go on from there."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mono_depth_ros.bags.metadata import read_metadata
from mono_depth_ros.errors import DataError

_FORMAT = 1
_PROBE = 2**20


@dataclass
class Progress:
    """How far a conversion is.

    Attributes:
        options: everything that decides the bytes of the result, by name. source: of the input, by file.
        batches: finished. frames: images read, of which `written` became depth and `dropped` did not, by reason.
        alignment: sums and state of the alignment, as JSON values.
        damage: of the input. done: the input was read to its end or damage.
    """

    options: dict[str, Any]
    source: dict[str, Any]
    batches: int = 0
    frames: int = 0
    written: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    alignment: dict[str, Any] = field(default_factory=dict)
    damage: str = ""
    done: bool = False

    def drop(self, reason: str) -> None:
        """Count a frame without depth."""
        self.dropped = dict(Counter(self.dropped) + Counter([reason]))

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
        except (ValueError, KeyError, TypeError, AttributeError) as error:
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
        other = [name for name in sorted({*self.options, *options}) if self.options.get(name) != options.get(name)]
        if other:
            name = other[0]
            found, expected = options.get(name), self.options.get(name)
            raise DataError(f"{where} was begun with {name} {expected!r}, found {found!r}: the same is needed to go on")


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


def _brief(source: dict[str, Any]) -> str:
    return ", ".join(f"{name} of {size} bytes" for name, (size, _) in source.items()) or "nothing"
