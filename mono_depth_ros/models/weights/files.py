# SPDX-License-Identifier: Apache-2.0
"""Files of weights, looked at before anything in them is believed: whole, of the right format, not something else.

And the network that they go into: of the kind that is expected, down to every weight.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from torch import Tensor, nn

from mono_depth_ros.cache import sealed_sha256
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.catalogue import CatalogueEntry
from mono_depth_ros.paths import require_file
from mono_depth_ros.prediction import DepthKind

INDEX, WHOLE, PICKLE = "model.safetensors.index.json", "model.safetensors", "pytorch_model.bin"
_PICKLES = (".bin", ".pth", ".pt", ".ckpt", ".pkl")


def read_safetensors(directory: Path) -> dict[str, Tensor]:
    """The tensors of `model.safetensors`, or of the shards that `model.safetensors.index.json` lists, on the CPU.

    Raises:
        ModelError: none of these is there, a shard is missing, or a file is damaged; found and expected.
    """
    index = directory / INDEX
    if index.is_file():
        return _read_shards(directory, index)
    if not (directory / WHOLE).is_file():
        others = sorted(item.name for item in directory.iterdir() if item.suffix in (*_PICKLES, ".safetensors"))
        found = ", ".join(others[:5]) or "no weights"
        why = ", which can run code when loaded" if others and all(name.endswith(_PICKLES) for name in others) else ""
        raise ModelError(f"{directory} holds {'only ' if others else ''}{found}{why}, expected {WHOLE}")
    return _read_file(directory / WHOLE)


def weight_files(directory: Path) -> tuple[Path, ...]:
    """The files that the weights of a directory may be read from, as far as they are there."""
    names = (INDEX, PICKLE)
    return tuple(sorted(path for path in directory.iterdir() if path.name in names or path.suffix == ".safetensors"))


def check_digest(path: Path, expected: str) -> None:
    """Raise ModelError unless the file has the SHA-256 `expected`."""
    found = sealed_sha256(path)
    if found != expected:
        raise ModelError(f"{path} has the SHA-256 {found}, expected {expected}: damaged or changed, fetch it again")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a checkpoint's directory.

    Raises:
        ModelError: it is missing, unreadable or something else.
    """
    if not path.is_file():
        folder = path.parent
        there = ", ".join(sorted(item.name for item in folder.iterdir())[:5]) if folder.is_dir() else "nothing"
        raise ModelError(f"{folder} holds {there or 'nothing'}, expected {path.name} and *.safetensors")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path} holds {type(values).__name__}, expected a JSON object")
    return values


def check_is_binary(path: Path, expected: str) -> bytes:
    """The first bytes of a file; ModelError where they say that it is no file of weights at all.

    Raises:
        ModelError: it is unreadable, empty, a Git LFS pointer or a web page; `expected` says what it should be.
    """
    try:
        require_file(path)
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    if not head:
        raise ModelError(f"{path} is empty, expected {expected}")
    if head.startswith(b"version https://git-lfs."):
        raise ModelError(f"{path} is a Git LFS pointer, expected the weights: run `git lfs pull` there")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise ModelError(f"{path} is a web page saved under that name, expected {expected}: download the file itself")
    return head


def check_zip(path: Path) -> None:
    """Raise ModelError unless every member of a zip file has the checksum that the file says it has."""
    try:
        with ZipFile(path) as archive:
            broken = archive.testzip()
    except (BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error) as error:
        raise ModelError(f"{path} is cut off or damaged, expected a whole file: {error}") from error
    if broken is not None:
        raise ModelError(f"{path} is damaged: the checksum of {broken} is not the one stored with it")


def check_finite(weights: dict[str, Tensor], where: Path) -> None:
    """Raise ModelError where a weight is NaN or infinite."""
    for name, value in weights.items():
        if not torch.isfinite(value.sum()):  # one pass; exact only where it matters
            count = int((~torch.isfinite(value)).sum())
            if count:
                raise ModelError(f"{where}: {count} of {value.numel()} numbers of {name} are not finite")


_RELATIVE = {
    DepthKind.INVERSE_AFFINE: "relative (affine inverse depth)",
    DepthKind.AFFINE: "relative (affine depth)",
    DepthKind.SCALE: "relative (depth up to scale)",
}


def kind_in_words(kind: DepthKind, max_depth_m: float | None) -> str:
    """Such as "metric up to 20 m"."""
    if kind is not DepthKind.METRIC:
        return _RELATIVE[kind]
    return "metric without a bound" if max_depth_m is None else f"metric up to {max_depth_m:g} m"


def check_kind(path: Path, kind: DepthKind, max_depth_m: float | None, expected: CatalogueEntry | None) -> None:
    """Raise ModelError unless the checkpoint is of the kind and range that `expected` says."""
    if expected is not None and (kind.value, max_depth_m) != (expected.kind, expected.max_depth_m):
        wanted = kind_in_words(DepthKind(expected.kind), expected.max_depth_m)
        raise ModelError(f"{expected.name}: {path} is {kind_in_words(kind, max_depth_m)}, expected {wanted}")


def fill(network: nn.Module, weights: Mapping[str, Tensor], where: Path, what: str, unused: Collection[str]) -> None:
    """Give a network on the meta device its weights, in float32; every one is used, none is made up, all are copied.

    Args:
        where: of the weights, for errors. what: "small", or what else such a network is called.
        unused: names of weights that may be there and take no part in inference.

    Raises:
        ModelError: a tensor is missing, unexpected, of another shape, or holds no floating-point or no finite numbers.
    """
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    for problem, names in (
        ("missing", sorted(set(shapes) - set(weights))),
        ("unexpected", sorted(set(weights) - set(shapes) - set(unused))),
    ):
        if names:
            some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise ModelError(f"{where}: {len(names)} {problem} weights ({some}), expected those of {what}")
    odd = [name for name, shape in shapes.items() if tuple(weights[name].shape) != shape]
    if odd:
        found = f"{odd[0]} is {tuple(weights[odd[0]].shape)}, expected {shapes[odd[0]]}"
        raise ModelError(f"{where}: {len(odd)} weights are of another shape than {what} has: {found}")
    whole = [name for name in shapes if not weights[name].is_floating_point()]
    if whole:
        raise ModelError(f"{where}: {whole[0]} holds {weights[whole[0]].dtype}, expected floating-point numbers")
    # Copied: a mapped file that is overwritten later must not change, or crash, a model that runs.
    state = {name: weights[name].to(torch.float32, copy=True) for name in shapes}
    check_finite(state, where)
    network.load_state_dict(state, assign=True)
    network.eval().requires_grad_(False)


def _read_shards(directory: Path, index: Path) -> dict[str, Tensor]:
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(places.values()))
    except (OSError, ValueError, RecursionError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"{index} is no index of shards, expected JSON with a weight_map: {error!r}") from error
    if not names or any(not isinstance(name, str) or Path(name).name != name for name in names):
        raise ModelError(f"{index} names {names[:3]}, expected files beside it")
    absent = [name for name in names if not (directory / name).is_file()]
    if absent:
        raise ModelError(f"{directory} lacks {', '.join(absent)} of the {len(names)} files that {INDEX} lists")
    weights: dict[str, Tensor] = {}
    for name in names:
        weights.update(_read_file(directory / name))
    if set(weights) != set(places):
        odd = sorted(set(weights) ^ set(places))
        raise ModelError(f"{directory}: the shards and {INDEX} differ in {len(odd)} tensors ({', '.join(odd[:3])})")
    return weights


def _read_file(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    _check_length(path)
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())  # it cannot be iterated itself
            return {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path} cannot be read, expected whole safetensors: {reason}") from error


def _check_length(path: Path) -> None:
    """A safetensors file: 8 bytes with the header's length, the header in JSON, the tensors, nothing else."""
    head = check_is_binary(path, "safetensors")
    size = path.stat().st_size
    length = int.from_bytes(head[:8], "little")
    if head[:4] == b"PK\x03\x04" or head[:1] == b"\x80":
        raise ModelError(f"{path} is a pickle, which can run code when loaded, expected safetensors")
    if len(head) < 8 or 8 + length > size:
        raise ModelError(f"{path} has {size} bytes, fewer than its header needs: cut off, or no safetensors")
    with path.open("rb") as file:
        header = file.read(8 + length)[8:]
    try:
        tensors = [value for name, value in json.loads(header).items() if name != "__metadata__"]
        end = max((int(value["data_offsets"][1]) for value in tensors), default=0)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise ModelError(f"{path} has a damaged header, expected whole safetensors: {error}") from error
    if size != 8 + length + end:
        raise ModelError(f"{path} has {size} bytes, expected {8 + length + end} by its header: cut off or damaged")
