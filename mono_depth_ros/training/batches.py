# SPDX-License-Identifier: Apache-2.0
"""Batches for the network, made ahead of time by one background thread (OpenCV releases the interpreter)."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mono_depth_ros.training.augment import augment
from mono_depth_ros.training.pool import Pool

Batch = tuple[Tensor, Tensor, Tensor]


def collate(samples: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]) -> Batch:
    """(rgb (N, 3, H, W) in [0, 1], rays (N, 2, H, W), depth (N, 1, H, W) metres), float32, of samples."""
    rgb, depth, ray_x, ray_y = (torch.from_numpy(np.stack(parts)) for parts in zip(*samples, strict=True))
    height, width = rgb.shape[1:3]
    x, y = ray_x[:, None, :].expand(-1, height, -1), ray_y[:, :, None].expand(-1, -1, width)
    rays = torch.stack([x, y], dim=-1).permute(0, 3, 1, 2)
    return rgb.permute(0, 3, 1, 2).float().div_(255), rays, depth[:, None]


def make_batch(pool: Pool, indices: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> Batch:
    """One augmented batch of the pool's frames `indices` at `size` (width, height)."""
    return collate([augment(pool.rgb[i], pool.depth[i], pool.camera(i), size, rng) for i in map(int, indices)])


def shuffled(count: int, batch: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Index arrays of `batch` for ever, every frame once an epoch (the remainder of an epoch is left out)."""
    while True:
        order = rng.permutation(count)
        for start in range(0, count - batch + 1, batch):
            yield np.sort(order[start : start + batch])


def prefetch(make: Callable[[], Any], depth: int = 2) -> Iterator[Any]:
    """Call `make` in a background thread, `depth` results ahead, for ever. An error in it is raised here."""
    ready: queue.Queue[Any] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            try:
                item = make()
            except BaseException as error:  # handed over to the consumer, not swallowed
                item = error
                stop.set()
            while True:
                try:
                    ready.put(item, timeout=0.2)
                    break
                except queue.Full:
                    if stop.is_set():
                        return

    thread = threading.Thread(target=work, name="batches", daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join(timeout=5)
