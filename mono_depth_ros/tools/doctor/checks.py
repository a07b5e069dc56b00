# SPDX-License-Identifier: Apache-2.0
"""The checks of `mono_depth doctor`, one function each. None of them raises, and none imports what may be broken."""

from __future__ import annotations

import fcntl
import glob
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mono_depth_ros import transport
from mono_depth_ros.cache import VARIABLE, cache_folder
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.models.catalogue import CATALOGUE
from mono_depth_ros.tools.doctor.probe import ProbeError, ask, ask_python, end_all, installed, version_of

_GB, _MB = 10**9, 10**6
_ROOM_GB = 2.0  # below this weights may not fit, and a recording not at all
_SEGMENT = re.compile(r"fast(rtps|dds)_[0-9a-f]{16}")
_ENGINES = {
    "onnxruntime": "import onnxruntime; print(', '.join(onnxruntime.get_available_providers()))",
    "openvino": "import openvino; print(', '.join(openvino.Core().available_devices))",
    "tensorrt": "import tensorrt; print(tensorrt.__version__)",
}
_TORCH = """
import torch
cuda = torch.cuda.is_available()
print(torch.__version__, torch.version.cuda or "none", *[torch.cuda.get_device_name(k) for k in
      range(torch.cuda.device_count() if cuda else 0)], sep="\\n")
"""
_ROS = "import rclpy; print(rclpy.get_rmw_implementation_identifier())"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: of the thing. state: ok; absent, which many do without; warning; broken, without which nothing works.
        found: in words. advice: what to do, or "".
    """

    name: str
    state: str
    found: str
    advice: str = ""


def examine() -> list[Check]:
    """All checks, in the order of the screen; those that ask other processes at the same time."""
    steps: list[Callable[[], Check]] = [python, torch, gpu, opencv, *(partial(engine, name) for name in _ENGINES)]
    steps += [transformers, numba, ros, profile, shared_memory, cv_bridge, tf2, models, webcam, disk]
    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        try:
            return list(pool.map(_safely, steps))
        except BaseException:  # Ctrl-C: nobody waits for answers any more
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()
            raise


def _safely(step: Callable[[], Check]) -> Check:
    try:
        return step()
    except Exception as error:  # a broken installation may raise anything
        name = getattr(step, "__name__", None) or str(getattr(step, "args", [""])[0])
        return Check(name.replace("_", " "), "warning", f"could not be looked at: {type(error).__name__}: {error}")


def python() -> Check:
    found = f"{sys.version.split()[0]}, {sys.executable}; mono_depth_ros {version_of('mono_depth_ros') or 'sources'}"
    good = sys.version_info >= (3, 10)
    return Check("Python", "ok" if good else "broken", found, "" if good else "install Python 3.10 or later")


def torch() -> Check:
    if not installed("torch"):
        return Check("torch", "broken", "not installed", "pip install torch")
    try:
        found, cuda, *_ = ask_python(_TORCH).splitlines()
    except (ProbeError, ValueError) as error:
        return Check("torch", "broken", f"cannot be imported: {error}", "pip install --force-reinstall torch")
    return Check("torch", "ok", f"{found}, {'for the CPU' if cuda == 'none' else f'for CUDA {cuda}'}")


def gpu() -> Check:
    """By the driver's own tool, and by torch."""
    tegra = Path("/etc/nv_tegra_release").exists()
    try:
        if shutil.which("nvidia-smi") is None and not tegra:
            return Check("GPU", "absent", "no driver of NVIDIA (no nvidia-smi): models run on the CPU")
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        devices = ["Jetson"] if tegra else ask(query, 10.0).splitlines()
    except ProbeError as error:
        return Check("GPU", "warning", f"nvidia-smi: {error}", "load the driver again, or restart the machine")
    found = "; ".join(devices) or "none"
    try:
        _, cuda, *seen = ask_python(_TORCH).splitlines()
    except (ProbeError, ValueError):
        return Check("GPU", "warning", f"{found}; torch cannot be imported")
    if seen:
        return Check("GPU", "ok", f"{found}; torch uses {', '.join(seen)}")
    why = "was built without CUDA" if cuda == "none" else f"for CUDA {cuda} does not reach it"
    return Check("GPU", "warning", f"{found}; torch {why}", "docs/gpu.md: torch with CUDA beside ROS")


def opencv() -> Check:
    try:
        return Check(
            "OpenCV", "ok", ask_python("import numpy, cv2; print(cv2.__version__, 'NumPy', numpy.__version__)")
        )
    except ProbeError as error:
        advice = "pip install 'opencv-python>=4.5,<5' numpy, of one interpreter"
        return Check("OpenCV", "broken", f"cannot be imported: {error}", advice)


def engine(name: str) -> Check:
    if not installed(name):
        extra = {"onnxruntime": "pip install '.[onnx]'", "openvino": "pip install '.[openvino]'"}.get(name)
        return Check(name, "absent", "not installed", f"{extra} is faster on many CPUs" if extra else "")
    try:
        return Check(name, "ok", f"{version_of(name, f'{name}-gpu')} {ask_python(_ENGINES[name])}".strip())
    except ProbeError as error:
        return Check(name, "warning", f"cannot be imported: {error}", f"install {name} again, or remove it")


def transformers() -> Check:
    found = version_of("transformers") if installed("transformers") else ""
    if found:
        return Check("transformers", "ok", found)
    advice = "pip install '.[transformers]' for ZoeDepth, DPT, GLPN and Depth Pro"
    return Check("transformers", "absent", "not installed", advice)


def numba() -> Check:
    found = version_of("numba") if installed("numba") else ""
    advice = "" if found else "pip install '.[world]' for the demo's synthetic world"
    return Check("numba", "ok" if found else "absent", found or "not installed", advice)


def ros() -> Check:
    wheels = next((name for name in ("jazzy", "kilted") if version_of(f"ros-{name}-rclpy")), "")
    name = os.environ.get("ROS_DISTRO") or (f"{wheels} (wheels)" if wheels else "of unknown distribution")
    if not installed("rclpy"):
        advice = "source /opt/ros/DISTRO/setup.bash, or pip install '.[jazzy]'; files and recordings need no ROS"
        return Check("ROS 2", "absent", "rclpy is not installed", advice)
    asked = os.environ.get("RMW_IMPLEMENTATION", "")
    try:
        found = f"{name}, {ask_python(_ROS)}"
    except ProbeError as error:
        advice = f"RMW_IMPLEMENTATION is {asked}: install it, or unset the variable" if asked else "source ROS 2 again"
        return Check("ROS 2", "warning", f"{name}: rclpy cannot be imported: {error}", advice)
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    return Check("ROS 2", "ok", f"{found}, domain {domain}{' (RMW_IMPLEMENTATION)' if asked else ''}")


def profile() -> Check:
    rmw = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    if not transport.is_fast_dds(rmw):
        return Check("profile", "ok", f"none: {rmw} is no Fast DDS", transport.remedy(rmw, "the camera driver"))
    try:
        own = transport.profile()
    except MonoDepthError as error:
        return Check("profile", "warning", str(error), "install the package anew")
    by = transport.decision()
    if not by:
        name = transport.variables()[0]
        advice = f"start the camera driver with {name}={own} too"
        return Check("profile", "ok", f"the nodes bring {own.name} of this package", advice)
    value = os.environ.get(by, "")
    if by in transport.VARIABLES and not Path(value).is_file():
        return Check("profile", "warning", f"{by} names {value}, which is not there", f"export {by}={own}")
    if by in transport.VARIABLES and Path(value).resolve().parent == own.resolve().parent:
        return Check("profile", "ok", f"{value}, of this package ({by})")
    return Check("profile", "ok", f"Fast DDS goes by {by}{f'={value}' if value else ''}, not by this package's profile")


def shared_memory() -> Check:
    if not transport.SHARED_MEMORY.is_dir():
        return Check("shared memory", "absent", f"there is no {transport.SHARED_MEMORY}")
    free, stale = transport.free(), stale_segments()
    found = f"{free / _MB:.0f} MB free in {transport.SHARED_MEMORY}"
    advice = ""
    if stale:
        size = 0
        for file in stale:
            with suppress(OSError):
                size += file.stat().st_size
        found += f"; {len(stale)} segments of processes that are gone, {size / _MB:.0f} MB"
        advice = "`fastdds shm clean` removes them"
    if free < transport.MIN_SEGMENT_BYTES:
        advice = "; ".join(filter(None, [advice, "docker run --shm-size=1g, or mount -o remount,size=1g /dev/shm"]))
        return Check("shared memory", "warning", f"{found}: too little for large messages", advice)
    return Check("shared memory", "warning" if stale else "ok", found, advice)


def stale_segments() -> list[Path]:
    """The segments of Fast DDS whose process no longer holds their lock."""
    found = []
    with suppress(OSError):
        for file in transport.SHARED_MEMORY.iterdir():
            lock = file.with_name(f"{file.name}_el")
            if _SEGMENT.fullmatch(file.name) and lock.exists():
                with suppress(OSError), lock.open("rb") as handle:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    found.append(file)
    return found


def cv_bridge() -> Check:
    there = installed("cv_bridge")
    return Check("cv_bridge", "ok" if there else "absent", "there" if there else "not installed; not needed")


def tf2() -> Check:
    if installed("tf2_ros"):
        return Check("tf2", "ok", "there")
    advice = "apt install ros-DISTRO-tf2-ros-py, or give cam_from_reference"
    return Check("tf2", "absent", "tf2_ros is not installed: nodes look up no transforms", advice)


def models() -> Check:
    from mono_depth_ros.tools.models.listing import describe

    there = [row["name"] for row in map(describe, CATALOGUE.values()) if row["cached"] and row["hub"]]
    found = f"tiny, which ships{', and ' + ', '.join(there) if there else ''}"
    try:
        cache_folder("digests")
    except MonoDepthError as error:
        return Check("models", "warning", str(error), f"export {VARIABLE}=FOLDER")
    advice = "" if there else "tiny saw a synthetic world only: mono_depth models list --metric"
    return Check("models", "ok", found, advice)


def webcam() -> Check:
    devices = sorted(glob.glob("/dev/video*"))
    closed = [device for device in devices if not os.access(device, os.R_OK | os.W_OK)]
    if not devices:
        advice = "docker run --device /dev/video0 gives a container one" if Path("/.dockerenv").exists() else ""
        return Check("webcam", "absent", "there is no /dev/video*", advice)
    if len(closed) == len(devices):
        advice = "sudo usermod -aG video $USER, and log in again"
        return Check("webcam", "warning", f"{', '.join(devices)}, which this user may not open", advice)
    return Check("webcam", "ok", ", ".join(device for device in devices if device not in closed))


def disk() -> Check:
    places = {"this folder": Path.cwd(), "the cache": Path.home(), "temporary files": Path(tempfile.gettempdir())}
    with suppress(MonoDepthError):
        places["the cache"] = cache_folder("digests")
    room = {name: shutil.disk_usage(place).free / _GB for name, place in places.items()}
    found = ", ".join(f"{name} {free:.1f} GB" for name, free in room.items())
    little = [name for name, free in room.items() if free < _ROOM_GB]
    advice = f"make room for {', '.join(little)}: weights take up to 5.5 GB" if little else ""
    return Check("free disk", "warning" if little else "ok", found, advice)
