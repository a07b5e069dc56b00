# SPDX-License-Identifier: Apache-2.0
"""Workers on one machine or many, through Ray: each is a process with a model of its own, and a GPU where there are.

All of them must see the input and the output under the same paths, and have this package installed. A worker that dies
is replaced, and its bag tried again.
"""

from __future__ import annotations

import logging
import math
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from types import TracebackType
from typing import Any

from mono_depth_ros.config import FleetConfig, ModelConfig
from mono_depth_ros.errors import ConfigError, MonoDepthError
from mono_depth_ros.models.base import DepthModel
from mono_depth_ros.tools.bag.crew import Alone, Outcome, Task
from mono_depth_ros.tools.bag.target import with_engine

LOCAL = "local"
"""The address that starts Ray on this machine, for this run."""

_CORES = 4  # for a worker without GPU
_STORE = 80 * 2**20  # bytes; only tasks and summaries travel


@dataclass(frozen=True)
class Share:
    """What a worker gets of the cluster: `cpus` and `gpus` may be parts."""

    workers: int
    cpus: float
    gpus: float

    @classmethod
    def of(cls, cpus: float, gpus: float, wanted: int) -> Share:
        """Divide a cluster among the wanted number of workers, 0: as many as it is good for."""
        if gpus:
            workers = wanted or int(gpus)
            each = 1.0 if workers <= gpus else 1.0 / math.ceil(workers / gpus)
            return cls(workers, min(1.0, cpus / workers), each)
        workers = wanted or max(1, int(cpus // _CORES))
        each = cpus / workers
        return cls(workers, math.floor(each) if each >= 1 else each, 0.0)


class Worker:
    """What runs in the process of a worker."""

    def __init__(self, config: ModelConfig) -> None:
        from mono_depth_ros.models.loading import load_model

        self._load: Callable[[], DepthModel] = cache(lambda: load_model(config))
        self._crew = Alone(self._load)

    def engine(self) -> str:
        """What runs the network here; "" where the model cannot be loaded, which the first task then says."""
        try:
            return self._load().engine
        except MonoDepthError:
            return ""

    def perform(self, task: Task) -> Outcome:
        """One task; the model is loaded with the first, and one that cannot be loaded is no better for others."""
        self._crew.start(task)
        try:
            return self._crew.wait()
        except MonoDepthError as error:
            return Outcome(task, problem=str(error), hopeless=True)


class RayCrew:
    """A crew of Ray workers; a context manager.

    Args:
        address: LOCAL, "auto" for the cluster that this machine is part of, or the address of one.

    Raises:
        ConfigError: Ray is not installed, or a device that only one machine can mean.
        MonoDepthError: there is no cluster at that address.
    """

    def __init__(self, address: str, model: ModelConfig, config: FleetConfig) -> None:
        if re.fullmatch(r"cuda:\d+", model.device):
            raise ConfigError(f"device is '{model.device}', and Ray gives each worker its GPU: expected cuda or auto")
        self._ray = _ray()
        self._start_ray(address, config)
        try:
            found = self._ray.cluster_resources()
            gpus = 0.0 if model.device == "cpu" else found.get("GPU", 0.0)
            if model.device == "cuda" and not gpus:
                raise ConfigError("device is 'cuda', and Ray knows of no GPU: expected auto or cpu")
            self.share = Share.of(found.get("CPU", 1.0), gpus, config.workers)
        except BaseException:
            self._ray.shutdown()
            raise
        self.size = self.share.workers
        threads = model.threads or (0 if gpus else max(1, int(self.share.cpus)))
        self._model = replace(model, threads=threads)
        self._idle: list[Any] = []
        self._chosen = ""
        self._under_way: dict[Any, tuple[Any, Task]] = {}

    def __enter__(self) -> RayCrew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    @property
    def words(self) -> str:
        """Who they are."""
        each = f"{self.share.gpus:g} GPU" if self.share.gpus else f"{self.share.cpus:g} CPU cores"
        return f"{self.size} Ray workers, {each} each"

    def engine(self) -> str:
        """What one worker chooses where `auto` is asked for, "" where it cannot say."""
        worker = self._new()
        try:
            engine = str(self._ray.get(worker.engine.remote()))
        except self._ray.exceptions.RayError:  # as it died
            return ""
        self._idle.append(worker)
        self._chosen = engine
        return engine

    def runs_in(self, engine: str) -> None:
        """Have all workers take this engine, where `auto` is asked for."""
        if engine != self._chosen:  # chosen by another process: the worker that we have chose for itself
            self._idle.clear()
        self._model = with_engine(self._model, engine)

    def start(self, task: Task) -> None:
        """Give it to a worker that has nothing to do, or to a new one."""
        worker = self._idle.pop() if self._idle else self._new()
        self._under_way[worker.perform.remote(task)] = worker, task

    def wait(self) -> Outcome:
        """The next to end. A worker that died has failed at its task, and is not used again."""
        (ready,), _ = self._ray.wait(list(self._under_way), num_returns=1)
        worker, task = self._under_way.pop(ready)
        try:
            outcome: Outcome = self._ray.get(ready)
        except self._ray.exceptions.RayActorError as error:
            why = "its worker died: killed, out of memory, or its machine is gone"
            pid = re.search(r"\bpid: (\d+)", str(error))
            return Outcome(task, problem=why + (f" (process {pid[1]})" if pid else ""))
        except self._ray.exceptions.RayError as error:
            self._idle.append(worker)
            return Outcome(task, problem=str(error).strip().splitlines()[-1])
        if outcome.lost:  # another worker is another process
            self._ray.kill(worker)
            return replace(outcome, hopeless=False)
        self._idle.append(worker)
        return outcome

    def _new(self) -> Any:
        options = {"num_cpus": self.share.cpus, "num_gpus": self.share.gpus, "max_restarts": 0}
        return self._ray.remote(Worker).options(**options).remote(self._model)

    def _start_ray(self, address: str, config: FleetConfig) -> None:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address == LOCAL:
            cores = max(os.cpu_count() or 1, config.workers)
            quiet |= {"num_cpus": cores, "include_dashboard": False, "object_store_memory": _STORE}
        try:
            _knock(address)
            self._ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            problem = " ".join(str(error).split()) or type(error).__name__
            raise MonoDepthError(f"there is no Ray at '{address}': {problem}") from error


def _knock(address: str) -> None:
    """Raise OSError where nobody listens: Ray would try for five minutes."""
    found = re.fullmatch(r"(?:ray://)?\[?([^/\]]+)\]?:(\d+)", address)
    if found:
        socket.create_connection((found[1], int(found[2])), timeout=5).close()


def _ray() -> Any:
    # Ray reports how it is used to its makers unless told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ConfigError("--ray needs Ray, which is not installed: pip install 'ray>=2.9'") from error
    return ray
