# SPDX-License-Identifier: Apache-2.0
"""Every default of an adaptation, in one frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass

from mono_depth_ros.config import Config, option


@dataclass(frozen=True)
class AdaptConfig(Config):
    """How long, how strongly and beside what a network is adapted."""

    minutes: float = option(
        6.0, "The training takes at most this long; the learning rate is annealed over it.", unit="min", low=0.01
    )
    steps: int = option(0, "The training takes so many steps instead of minutes; 0 goes by the clock.", low=0)
    batch: int = option(
        0, "A step has so many images; 0 is the network's own: 12 of tiny, 4 of others.", low=0, high=512
    )
    learning_rate: float = option(
        0.0,
        "The peak learning rate of AdamW; 0 tries some for a part of the time and takes that with which the validation "
        "block has the least error.",
        low=0.0,
        high=1.0,
    )
    encoder_rate: float = option(
        -1.0,
        "The encoder of a network with one learns at this fraction of the rate, 0 keeps it as it is; -1 is 0 on a CPU, "
        "where that is several times as fast, and 0.1 on a GPU, as its authors train.",
        low=-1.0,
        high=1.0,
    )
    weight_decay: float = option(0.01, "The weight decay of AdamW.", low=0.0, high=1.0)
    warmup_share: float = option(0.03, "The learning rate rises over this fraction of the run.", low=0.0, high=1.0)
    clip_norm: float = option(1.0, "Gradients are clipped to this norm.", low=1e-3)
    ema_decay: float = option(0.998, "The decay of the moving average of the weights.", low=0.0, high=1.0)
    replay: float = option(
        0.33,
        "This fraction of each batch is rendered frames of the synthetic world, against forgetting; 0 is none.",
        low=0.0,
        high=0.9,
    )
    replay_frames: int = option(600, "So many frames are rendered for that, once for all runs.", low=10)
    silog_weight: float = option(0.5, "The weight of the scale-invariant term in the loss.", low=0.0)
    gradient_weight: float = option(0.5, "The weight of the gradient term in the loss.", low=0.0)
    sky_weight: float = option(0.2, "The weight of the sky term in the loss.", low=0.0)
    dense_weight: float = option(
        0.5,
        "The weight of the network's own depth, aligned by the reference, beside a reference with gaps; 0 is none.",
        low=0.0,
    )
    turn_deg: float = option(
        6.0, "Training views are turned by this: one standard deviation, of roll, and half of it of pitch and yaw.",
        unit="deg", low=0.0, high=45.0,
    )  # fmt: skip
    max_frames: int = option(600, "Of more frames so many are used, spread evenly.", low=20)
    workers: int = option(
        0, "So many threads share a step's images; 0 is one for each core, at most 4.", low=0, high=64
    )
    seed: int = option(0, "The seed of the views and their order.", low=0, high=2**31 - 1)
