# SPDX-License-Identifier: Apache-2.0
"""What recorders pack with zstd or lz4: files, chunks and messages. It is recognised by its first bytes."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import lz4.frame
import zstandard

from mono_depth_ros.bags.part import Damage

ZSTD, LZ4 = b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"
SUFFIXES = (".zstd", ".zst", ".lz4")

_LARGEST = 2**31  # bytes of a chunk or a message
_READ = 2**20


def unpack(how: str, data: bytes | memoryview, size: int | None = None) -> bytes:
    """A chunk or a message.

    Args:
        how: "zstd", "lz4" or "" for what is not packed. size: of what comes out; None: as the data says.

    Raises:
        Damage: it is broken, or of another size.
    """
    if how not in ("", "zstd", "lz4"):
        raise Damage(f"it is packed with '{how[:20]}', expected zstd or lz4")
    if size is not None and size > _LARGEST:
        raise Damage(f"it claims {size} bytes")
    try:
        found = bytes(data) if not how else _unzstd(data, size) if how == "zstd" else _unlz4(data, size)
    except (zstandard.ZstdError, RuntimeError, MemoryError):
        raise Damage(f"its {how} data is broken") from None
    if size is not None and len(found) != size:
        raise Damage(f"it holds {len(found)} bytes, expected {size}")
    return found


def _unzstd(data: bytes | memoryview, size: int | None) -> bytes:
    claimed = zstandard.frame_content_size(data)
    if claimed > _LARGEST or (size is not None and claimed not in (-1, size)):
        raise Damage(f"it claims {claimed} bytes")
    if claimed >= 0:
        return bytes(zstandard.ZstdDecompressor().decompress(data))
    # Without its size, in steps: what is small may unpack into what no memory holds.
    return beginning("zstd", data, _LARGEST if size is None else size + 1)


def _unlz4(data: bytes | memoryview, size: int | None) -> bytes:
    return bytes(lz4.frame.LZ4FrameDecompressor().decompress(data, _LARGEST if size is None else size + 1))


def beginning(how: str, data: bytes | memoryview, limit: int = _LARGEST) -> bytes:
    """What can be unpacked of data that ends too early; b"" for what is broken at once."""
    if how == "":
        return bytes(data)
    found = bytearray()
    step = zstandard.ZstdDecompressor().decompressobj() if how == "zstd" else lz4.frame.LZ4FrameDecompressor()
    try:
        for at in range(0, len(data), _READ // 64):
            found += step.decompress(data[at : at + _READ // 64])
            if len(found) > limit or getattr(step, "eof", False):
                break
    except (zstandard.ZstdError, RuntimeError, EOFError):
        pass
    return bytes(found[:limit])


def unpacked(file: Path, stack: ExitStack) -> tuple[Path, str]:
    """A storage file that its recorder has packed, unpacked in a folder that goes with `stack`; others as they are.

    Returns:
        The file to read, and why it is not whole, "" where it is.

    Raises:
        OSError: there is no room for it.
    """
    with file.open("rb") as stream:
        head = stream.read(4)
    if head not in (ZSTD, LZ4):
        return file, ""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    name = file.name
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    target = Path(folder, name)
    how = "zstd" if head == ZSTD else "lz4"
    with file.open("rb") as source, target.open("wb") as sink:
        try:
            if how == "lz4":
                with lz4.frame.open(source, "rb") as reader:
                    shutil.copyfileobj(reader, sink, _READ)
                return target, ""
            return target, "" if _copy_zstd(source, sink) else "its zstd data ends too early"
        except (zstandard.ZstdError, RuntimeError, EOFError):
            # What was unpacked before is salvaged, as of a file that was cut off.
            return target, f"its {how} data is broken or ends too early"


def _copy_zstd(source: BinaryIO, sink: BinaryIO) -> bool:
    """Unpack; whether the last frame has its end."""
    step: Any = None
    while data := source.read(_READ):
        while data:
            if step is None:
                step = zstandard.ZstdDecompressor().decompressobj()
            sink.write(step.decompress(data))
            data = b""
            if step.eof:
                data, step = step.unused_data, None
    return step is None
