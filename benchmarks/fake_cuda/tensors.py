# SPDX-License-Identifier: Apache-2.0
"""Tensors that say they are on a CUDA device and compute on the CPU; the copies and waits of their operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from fake_cuda.runtime import Runtime, _poison

_GPU: list[Runtime] = []
_FACTORIES = (
    *("empty", "zeros", "ones", "full", "arange", "linspace", "eye", "rand", "randn", "randint", "randperm"),
    *("tensor", "as_tensor", "empty_strided", "scalar_tensor", "logspace", "tril_indices", "triu_indices"),
)
_FROM_HOST = ("tensor", "as_tensor", "scalar_tensor")
_WAITS = (
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "_unique",
    "unique_",
    "bincount",
    "aten.equal",
    "is_nonzero",
)
_CHECKS_ON_CPU = ("quantile", "nanquantile")  # torch looks at values there on the CPU alone
_MIXED = ("copy_", "__setitem__", "__getitem__", "index_put_", "masked_fill_", "masked_fill", "set_", "__deepcopy__")
"""Functions that take tensors of the host beside those of a device."""

_PLAIN = {name: getattr(torch, name) for name in _FACTORIES}
_TO: Any = torch.Tensor.to
_COPY: Any = torch.Tensor.copy_


class CudaTensor(torch.Tensor):
    """Attributes: host: the values, in memory of the host. place: the device."""

    host: torch.Tensor
    place: torch.device
    key: tuple[int, int] | None

    @staticmethod
    def of(host: torch.Tensor, place: torch.device) -> CudaTensor:
        key = _GPU[-1].hold(place, host)
        made: Any = torch.Tensor._make_wrapper_subclass(
            CudaTensor, host.shape, strides=host.stride(), dtype=host.dtype, device=place, requires_grad=False
        )
        made.host, made.place, made.key, made.gpu = host, place, key, _GPU[-1]
        return made

    def __del__(self) -> None:
        if "key" in self.__dict__:
            self.__dict__["gpu"].let_go(self.__dict__["key"])

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"CudaTensor({self.host}, device='{self.place}')"

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _call(function, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(cls, function: Any, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        raise NotImplementedError(f"fake_cuda: {function} was reached by a way that is not emulated")


class _Waits(TorchDispatchMode):
    """Notes what makes the host wait inside an operation."""

    def __init__(self, gpu: Runtime, place: torch.device) -> None:
        super().__init__()
        self.gpu, self.place = gpu, place

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(function)
        if any(sign in name for sign in _WAITS) or (name.startswith("aten.index") and _masked(args)):
            self.gpu.wait(self.place, name.removeprefix("aten."))
            stream = self.gpu.current_stream(self.place)
            stream.reach(stream.issued)
        if torch._C._dispatch_has_kernel_for_dispatch_key(function.name(), "CompositeImplicitAutograd"):
            with self:  # in inference mode these come whole, and what they wait for would not be seen
                return function.decompose(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))


def _masked(args: Any) -> bool:
    indices = args[1] if len(args) > 1 and isinstance(args[1], (list, tuple)) else ()
    masks = any(isinstance(item, torch.Tensor) and item.dtype in (torch.bool, torch.uint8) for item in indices)
    # One value into a mask is a masked_fill, for which nothing is counted.
    return masks and not (len(args) > 2 and isinstance(args[2], torch.Tensor) and args[2].numel() == 1)


def _call(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """A function of torch, some of whose arguments are on a device."""
    gpu, name = _GPU[-1], getattr(function, "__name__", str(function))
    if name in ("__get__", "__set__"):
        return _attribute(function, name, args)
    special: dict[str, Any] = {
        "numpy": _no_numpy,
        "__array__": _no_numpy,
        "copy_": _copy,
        "__deepcopy__": _deepcopy,
        "record_stream": lambda *_: None,
        "get_device": lambda tensor: tensor.place.index,
        "tolist": lambda tensor: _to(tensor, "cpu").tolist(),
        "new_tensor": _new_tensor,
        "type": _type,
        "_has_compatible_shallow_copy_type": lambda *both: len({isinstance(one, CudaTensor) for one in both}) == 1,
    }
    if name in special:
        return special[name](*args, **kwargs)
    ours = [value for value in tree_leaves((args, kwargs)) if isinstance(value, CudaTensor)]
    place = ours[0].place if ours else gpu.device_of()
    _check_devices(name, place, args, kwargs)
    wanted = kwargs.pop("device", None)
    if wanted is not None:
        place = torch.device(wanted) if torch.device(wanted).type == "cpu" else gpu.device_of(wanted)
    kwargs.pop("pin_memory", None)
    plain = tree_map(lambda value: value.host if isinstance(value, CudaTensor) else value, (args, kwargs))
    known = {id(value.host): value for value in ours}
    with torch._C.DisableTorchFunctionSubclass():
        if name in _CHECKS_ON_CPU:
            result = function(*plain[0], **plain[1])
        else:
            with _Waits(gpu, place):
                result = function(*plain[0], **plain[1])

    def wrapped(value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or place.type == "cpu":
            return value
        return known.get(id(value)) if id(value) in known else CudaTensor.of(value, place)

    made = tree_map(wrapped, result)
    results = [value for value in tree_leaves(result) if isinstance(value, torch.Tensor)]
    if results or name == "__setitem__":
        own = [value for value in results if id(value) not in known]
        fresh = [value for value in own if not _shares(value, ours)]
        gpu.issue(place, _again(gpu, function, plain, results, ours), fresh)
    return made


def _shares(value: torch.Tensor, others: list[CudaTensor]) -> bool:
    pointer = value.untyped_storage().data_ptr()
    return any(other.host.untyped_storage().data_ptr() == pointer for other in others)


def _again(gpu: Runtime, function: Any, plain: Any, results: Any, ours: list[CudaTensor]) -> Callable[[], None] | None:
    """What computes it again into the same memory."""
    if gpu.capturing is None:
        return None
    made_here = {value.untyped_storage().data_ptr() for value in gpu.capturing.outputs}
    before = [value.key for value in ours if value.key is not None and value.key[1] not in made_here]

    def entry() -> None:
        for key in before:
            if key not in gpu.held:
                raise RuntimeError("CUDA error: a graph reads memory that was freed after it was recorded")
        with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():
            fresh = function(*plain[0], **plain[1])
        values = [value for value in tree_leaves(fresh) if isinstance(value, torch.Tensor)]
        for place, value in zip(results, values, strict=True):
            if place.data_ptr() != value.data_ptr():
                with torch.inference_mode():
                    place.copy_(value)

    return entry


def _check_devices(name: str, place: torch.device, args: Any, kwargs: Any) -> None:
    for value in tree_leaves((args, kwargs)):
        if not isinstance(value, torch.Tensor):
            continue
        there = value.place if isinstance(value, CudaTensor) else torch.device("cpu")
        if there == place or name == "__deepcopy__" or (there.type == "cpu" and value.ndim == 0):
            continue
        if there.type == "cpu" and name in _MIXED:
            _GPU[-1].note(f"upload {tuple(value.shape)} {value.dtype}", uploads=1, upload_bytes=value.nbytes)
            _GPU[-1].wait(place, f"{name} with a tensor of the host")
            continue
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {there} and {place}! "
            f"({name})"
        )


def _attribute(function: Any, name: str, args: Any) -> Any:
    tensor, attribute = args[0], function.__self__.__name__
    if name == "__set__":
        if attribute == "data" and isinstance(args[1], CudaTensor):
            _GPU[-1].let_go(tensor.key)
            tensor.host, tensor.place = args[1].host, args[1].place
            tensor.key = _GPU[-1].hold(tensor.place, tensor.host)
            return None
        with torch._C.DisableTorchFunctionSubclass():
            return function(tensor.host, *args[1:])
    if attribute == "device":
        return tensor.place
    if attribute in ("is_cuda", "is_cpu"):
        return attribute == "is_cuda"
    with torch._C.DisableTorchFunctionSubclass():
        value = function(tensor.host)
    return CudaTensor.of(value, tensor.place) if isinstance(value, torch.Tensor) else value


def _no_numpy(tensor: CudaTensor, *_: Any, **__: Any) -> Any:
    raise TypeError(
        f"can't convert {tensor.place} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory "
        "first."
    )


def _deepcopy(tensor: CudaTensor, memo: dict[int, Any]) -> CudaTensor:
    copied = CudaTensor.of(tensor.host.detach().clone(), tensor.place)
    if isinstance(tensor, torch.nn.Parameter):
        copied = torch.nn.Parameter(copied, requires_grad=False)  # type: ignore[assignment]
    memo[id(tensor)] = copied
    return copied


def _new_tensor(tensor: CudaTensor, data: Any, *, dtype: Any = None, device: Any = None, **_: Any) -> torch.Tensor:
    return torch.tensor(data, dtype=dtype or tensor.dtype, device=device or tensor.place)


def _type(tensor: CudaTensor, dtype: Any = None, **_: Any) -> Any:
    return "torch.cuda.FloatTensor" if dtype is None else tensor.to(dtype)


def _moved(tensor: torch.Tensor, place: torch.device, dtype: Any, non_blocking: bool, layout: Any) -> torch.Tensor:
    """A tensor on another device, or on the host."""
    gpu = _GPU[-1]
    host = tensor.host if isinstance(tensor, CudaTensor) else tensor
    with torch._C.DisableTorchFunctionSubclass():
        how = {"memory_format": layout} if layout is not None else {}
        value = _TO(host, dtype or host.dtype, copy=True, **how).detach()
    if place.type == "cpu":
        if non_blocking:
            _pin(value)
        return _download(gpu, tensor, value, value.clone(), non_blocking)
    if not isinstance(tensor, CudaTensor):
        _upload(gpu, place, tensor, value, non_blocking)
    moved = CudaTensor.of(value, place)
    gpu.issue(place, None, [])
    return moved


def _upload(gpu: Runtime, place: torch.device, source: torch.Tensor, into: torch.Tensor, non_blocking: bool) -> None:
    """`into` has the values already. The host converts: into the dtype there, through memory that is not pinned."""
    pinned = _pinned(source) and source.dtype == into.dtype and source.is_contiguous()
    what = f"upload {tuple(into.shape)} {into.dtype}{'' if pinned else ' from pageable memory'}"
    if not pinned:
        gpu.unsafe(what)
    gpu.note(what, uploads=1, upload_bytes=into.nbytes)
    if not non_blocking:
        gpu.wait(place, what)


def _download(gpu: Runtime, tensor: Any, into: torch.Tensor, value: torch.Tensor, non_blocking: bool) -> torch.Tensor:
    pinned = _pinned(into)
    what = f"download {tuple(value.shape)} {value.dtype}{'' if pinned else ' to pageable memory'}"
    gpu.note(what, downloads=1, download_bytes=value.nbytes)
    stream = gpu.current_stream(tensor.place)
    stream.issued += 1

    def arrive() -> None:
        with torch.inference_mode():
            _COPY(into, value)

    if non_blocking and pinned:
        _poison(into)
        stream.pending.append((stream.issued, arrive))
    else:
        gpu.wait(tensor.place, what)
        stream.reach(stream.issued)
        arrive()
    return into


def _copy(into: torch.Tensor, source: Any, non_blocking: bool = False) -> torch.Tensor:
    gpu = _GPU[-1]
    if isinstance(into, CudaTensor) and isinstance(source, CudaTensor):
        target, origin = into.host, source.host

        def entry() -> None:
            with torch.inference_mode(), torch._C.DisableTorchFunctionSubclass():
                _COPY(target, origin)

        entry()
        gpu.issue(into.place, entry, [])
    elif isinstance(into, CudaTensor):
        _COPY(into.host, source)
        _upload(gpu, into.place, source, into.host, non_blocking)
    else:
        _download(gpu, source, into, source.host.to(into.dtype).expand(into.shape).clone(), non_blocking)
    return into


def _pin(tensor: torch.Tensor) -> torch.Tensor:
    _GPU[-1].note(f"pinned {tuple(tensor.shape)} {tensor.dtype}", pinned=1)
    _GPU[-1].pinned[tensor.untyped_storage().data_ptr()] = tensor
    return tensor


def _pinned(tensor: torch.Tensor) -> bool:
    return not isinstance(tensor, CudaTensor) and tensor.untyped_storage().data_ptr() in _GPU[-1].pinned


def _to(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    if args and isinstance(args[0], torch.Tensor):
        args = (args[0].device, args[0].dtype, *args[1:])
    copy = bool(kwargs.pop("copy", False)) or any(value is True for value in args[3:4])
    device, dtype, non_blocking, layout = torch._C._nn._parse_to(*args, **kwargs)
    here = tensor.place if isinstance(tensor, CudaTensor) else tensor.device
    place = here if device is None else _GPU[-1].device_of(device) if device.type == "cuda" else device
    if place == here:
        if isinstance(tensor, CudaTensor):
            how = {"memory_format": layout} if layout is not None else {}
            return _call(_TO, (tensor, dtype or tensor.dtype), {"copy": copy, **how})
        return _TO(tensor, *args, copy=copy, **kwargs)
    return _moved(tensor, place, dtype, non_blocking, layout)


def _factory(name: str) -> Callable[..., torch.Tensor]:
    plain = _PLAIN[name]

    def make(*args: Any, **kwargs: Any) -> torch.Tensor:
        wanted = kwargs.get("device")
        if any(isinstance(value, CudaTensor) for value in args):  # torch.as_tensor, torch.tensor of a tensor
            value = args[0] if name == "as_tensor" else args[0].clone()
            return _to(value, wanted or value.device, kwargs.get("dtype") or value.dtype)
        pinned = kwargs.pop("pin_memory", False)
        if wanted is None or torch.device(wanted if not isinstance(wanted, int) else f"cuda:{wanted}").type != "cuda":
            made = plain(*args, **kwargs)
            return _pin(made) if pinned else made
        gpu, place = _GPU[-1], _GPU[-1].device_of(wanted)
        host = plain(*args, **{**kwargs, "device": "cpu"})
        if name in _FROM_HOST:
            _upload(gpu, place, host, host, False)
        if name == "as_tensor":
            host = host.clone()
        made = CudaTensor.of(host, place)
        with torch._C.DisableTorchFunctionSubclass():
            gpu.issue(place, _again(gpu, _COPY, ((host, host.clone()), {}), [host], []), [host])
        return made

    return make


@contextmanager
def installed(gpu: Runtime) -> Iterator[None]:
    """Tensors can be made on, and moved to, the devices."""
    methods: dict[str, Any] = {
        "to": _to,
        "cpu": lambda tensor, **_: _to(tensor, "cpu"),
        "cuda": lambda tensor, device=None, non_blocking=False, **_: _to(
            tensor, gpu.device_of(device), non_blocking=non_blocking
        ),
        "pin_memory": lambda tensor, *_: _pin(tensor.clone()),
        "is_pinned": lambda tensor, *_: _pinned(tensor),
    }
    with ExitStack() as stack:
        for name, method in methods.items():
            stack.enter_context(patch.object(torch.Tensor, name, method))
        for name in _FACTORIES:
            stack.enter_context(patch.object(torch, name, _factory(name)))
        _GPU.append(gpu)
        try:
            yield
        finally:
            _GPU.pop()
