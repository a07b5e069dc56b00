# SPDX-License-Identifier: Apache-2.0
"""What recorders pack with zstd or lz4: files, chunks and messages. It is recognised by its first bytes."""

from __future__ import annotations

import errno
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

import lz4.frame
import zstandard

from mono_depth_ros.bags.part import Damage

ZSTD, LZ4 = b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"
SUFFIXES = (".zstd", ".zst", ".lz4")

_LARGEST = 2**31  # bytes of a chunk or a message
_READ, _STEP = 2**20, 2**14


def unpacked_name(name: str) -> str:
    """A file's name without the suffix that says how it is packed."""
    return next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), name)


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
    found, whole = _in_steps("zstd", data, _LARGEST if size is None else size + 1)
    if not whole:
        raise Damage("its zstd data ends too early")
    return found


def _unlz4(data: bytes | memoryview, size: int | None) -> bytes:
    return bytes(lz4.frame.LZ4FrameDecompressor().decompress(data, _LARGEST if size is None else size + 1))


def beginning(how: str, data: bytes | memoryview) -> bytes:
    """What can be unpacked of data that ends too early; b"" for what is broken at once."""
    return _in_steps(how, data, _LARGEST)[0] if how else bytes(data)


def _in_steps(how: str, data: bytes | memoryview, limit: int) -> tuple[bytes, bool]:
    """What can be unpacked, up to a limit, and whether that is a whole frame."""
    found, step = bytearray(), _decompressor(how)
    with suppress(zstandard.ZstdError, RuntimeError):
        for at in range(0, len(data), _STEP):
            found += step.decompress(data[at : at + _STEP])
            if len(found) > limit or step.eof:
                break
    return bytes(found[:limit]), bool(step.eof)


def unpacked(file: Path, stack: ExitStack) -> tuple[Path, str]:
    """A storage file that its recorder has packed, unpacked in a folder that goes with `stack`; others as they are.

    Returns:
        The file to read, and why it is not whole, "" where it is.

    Raises:
        Damage: there is no room for it. OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        head = stream.read(4)
    if head not in (ZSTD, LZ4):
        return file, ""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    target = Path(folder, unpacked_name(file.name))
    how = "zstd" if head == ZSTD else "lz4"
    try:
        with file.open("rb") as source, target.open("wb") as sink:
            return target, "" if _copy(source, sink, how) else f"its {how} data ends too early"
    except (zstandard.ZstdError, RuntimeError):
        # What was unpacked before is read, as of a file that was cut off.
        return target, f"its {how} data is broken"
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise Damage(f"{tempfile.gettempdir()} has no room to unpack it: TMPDIR chooses another folder") from error


def _copy(source: BinaryIO, sink: BinaryIO, how: str) -> bool:
    """Unpack one frame after the other; whether the last one has its end."""
    step: Any = None
    while data := source.read(_READ):
        while data:
            step = step or _decompressor(how)
            sink.write(step.decompress(data))
            data = b""
            if step.eof:
                data, step = step.unused_data, None
    return step is None


def _decompressor(how: str) -> Any:
    return zstandard.ZstdDecompressor().decompressobj() if how == "zstd" else lz4.frame.LZ4FrameDecompressor()
