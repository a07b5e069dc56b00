# SPDX-License-Identifier: Apache-2.0
"""Damage to files: as broken disks, cut transfers and wrong hands make it, from a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

Damage = Callable[[random.Random, bytes, bytes], bytes]
"""Gets a random generator, a whole file and another whole file of the kind; returns the damaged file."""

_HEADER = 512  # bytes: where most formats have their sizes and lengths
_BLOCKS = (1, 2, 4, 16, 64, 512, 4096)
_EXTREMES = (0, 1, 127, 255, 16000, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
_NUMBER = re.compile(rb"-?\d+(\.\d*)?([eE][-+]?\d+)?")
_WORD = re.compile(rb"[A-Za-z_]{3,}")
_NUMBERS = (
    *b"0 -1 -0.0 nan .nan NaN inf -.inf Infinity 1e999 1e-999 1e400 4294967296 18446744073709551616 0x1F 1_000".split(),
    *b"1,5 12:30:45 2026-13-45".split(),
    *(b"", b"9" * 5000),
)
_VALUES = tuple(
    b"null|true|[]|{}|'text'|''|~|[1, 2, 3]|{a: 1}|[[1.0, 2.0], [3.0]]|[.nan, .inf, -.inf]|&a [*a]|2026-11-30|!!set|"
    b"!!binary aGFsbG8=|!!python/object/apply:os.getcwd []".split(b"|")
)


def damage(seed: str, whole: bytes, other: bytes, text: bool) -> tuple[str, bytes]:
    """The name of a damage and the file with it, differing from `whole`."""
    chance = random.Random(seed)
    names = (*_BYTES, *_TEXT) if text else tuple(_BYTES)
    while True:
        name = names[chance.randrange(len(names))]
        done = {**_BYTES, **_TEXT}[name](chance, whole, other)
        if done != whole:
            return name, done


def _place(chance: random.Random, size: int) -> int:
    """Where to damage: half of the time in the header."""
    return chance.randrange(max(1, min(size, _HEADER) if chance.random() < 0.5 else size))


def _one(chance: random.Random, values: Sequence[bytes]) -> bytes:
    return values[chance.randrange(len(values))]


def _length(chance: random.Random) -> int:
    return _BLOCKS[chance.randrange(len(_BLOCKS))]


def _bits(chance: random.Random, whole: bytes, _: bytes) -> bytes:
    data = bytearray(whole)
    for _turn in range((1, 1, 2, 8, 64)[chance.randrange(5)]):
        data[_place(chance, len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _truncated(chance: random.Random, whole: bytes, _: bytes) -> bytes:
    return whole[: _place(chance, len(whole))]


def _overwritten(fill: bytes) -> Damage:
    def overwrite(chance: random.Random, whole: bytes, _: bytes) -> bytes:
        at, length = _place(chance, len(whole)), _length(chance)
        return whole[:at] + (fill * length)[: len(whole) - at] + whole[at + length :]

    return overwrite


def _sizes(chance: random.Random, whole: bytes, _: bytes) -> bytes:
    data = bytearray(whole)
    width = (1, 2, 4, 8)[chance.randrange(4)]
    number = _EXTREMES[chance.randrange(len(_EXTREMES))] % 2 ** (8 * width)
    at = chance.randrange(max(1, min(len(data), _HEADER) - width))
    data[at : at + width] = number.to_bytes(width, "big" if chance.random() < 0.5 else "little")
    return bytes(data)


def _spliced(chance: random.Random, whole: bytes, other: bytes) -> bytes:
    at, source = _place(chance, len(whole)), chance.randrange(len(other))
    if chance.random() < 0.3:
        return whole[:at] + other[source:]
    length = _length(chance)
    return whole[:at] + other[source : source + length] + whole[at + length :]


def _doubled(chance: random.Random, whole: bytes, _: bytes) -> bytes:
    at, length = _place(chance, len(whole)), _length(chance)
    return whole[: at + length] + whole[at:]


def _removed(chance: random.Random, whole: bytes, _: bytes) -> bytes:
    at = _place(chance, len(whole))
    return whole[:at] + whole[at + _length(chance) :]


def _numbers(chance: random.Random, whole: bytes, _: bytes) -> bytes:
    found = list(_NUMBER.finditer(whole[:65536]))
    if not found:
        return whole
    match = found[chance.randrange(len(found))]
    return whole[: match.start()] + _one(chance, _NUMBERS) + whole[match.end() :]


def _words(chance: random.Random, whole: bytes, _: bytes) -> bytes:
    found = list(_WORD.finditer(whole[:65536]))
    if not found:
        return whole
    match = found[chance.randrange(len(found))]
    word = (b"x", b"\x1b[31m", b"Z" * 5000, match[0].swapcase(), match[0] + b"_", "Ä".encode())[chance.randrange(6)]
    return whole[: match.start()] + word + whole[match.end() :]


def _types(chance: random.Random, whole: bytes, _: bytes) -> bytes:
    """The value behind a colon becomes something else."""
    found = list(re.finditer(rb":[^:\n]*", whole))
    if not found:
        return whole
    match = found[chance.randrange(len(found))]
    return whole[: match.start()] + b": " + _one(chance, _VALUES) + whole[match.end() :]


def _lines(chance: random.Random, whole: bytes, other: bytes) -> bytes:
    """Lines are left out, twice there, in another order, or those of another file."""
    lines = whole.splitlines(keepends=True)
    at = chance.randrange(max(1, len(lines)))
    act = chance.randrange(4)
    if act == 0:
        del lines[at]
    elif act == 1:
        lines[at:at] = lines[at : at + 1]
    elif act == 2:
        chance.shuffle(lines)
    else:
        lines[at:] = other.splitlines(keepends=True)[chance.randrange(max(1, len(lines))) :]
    return b"".join(lines)


def _nested(chance: random.Random, whole: bytes, _: bytes) -> bytes:
    depth = (10, 100, 1000, 100_000)[chance.randrange(4)]
    opened = _one(chance, (b"[", b"{a: ", b"- ", b'{"a":', b"(", b"<a>", b"? "))
    return (b"" if chance.random() < 0.3 else whole + b"\nnested: ") + opened * depth


def _bomb(chance: random.Random, whole: bytes, _: bytes) -> bytes:
    """Aliases that stand for ten of the aliases before, and so on."""
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 3 + chance.randrange(9)):
        lines.append(b"a%d: &a%d [%s]" % (level, level, b", ".join([b"*a%d" % (level - 1)] * 10)))
    return whole + b"\n" + b"\n".join(lines)


def _encoded(chance: random.Random, whole: bytes, _: bytes) -> bytes:
    text = whole.decode("utf-8", errors="replace")
    act = chance.randrange(5)
    if act == 4:
        at = _place(chance, len(whole))
        return whole[:at] + _one(chance, (b"\0", b"\xff\xfe", b"\xc3\x28", b"\r", b"\t", b"\x1b[2J")) + whole[at:]
    return text.encode(("utf-8-sig", "utf-16", "utf-16-be", "utf-32")[act])


_BYTES: dict[str, Damage] = {
    "bits": _bits,
    "truncated": _truncated,
    "zeros": _overwritten(b"\0"),
    "ones": _overwritten(b"\xff"),
    "sizes": _sizes,
    "spliced": _spliced,
    "doubled": _doubled,
    "removed": _removed,
    "numbers": _numbers,
    "words": _words,
}
_TEXT: dict[str, Damage] = {
    "types": _types,
    "lines": _lines,
    "nested": _nested,
    "aliases": _bomb,
    "encoded": _encoded,
}
