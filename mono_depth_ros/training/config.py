# SPDX-License-Identifier: Apache-2.0
"""Every default of the training, in one frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass

from mono_depth_ros.config import Config, option

VALIDATION_SEED = 10_000_000  # worlds below are for training, from here on for validation: never both


@dataclass(frozen=True)
class TrainConfig(Config):
    """Data, schedule and loss of one training run."""

    frames: int = option(36_000, doc="So many training frames are rendered.", low=1)
    views: int = option(3, doc="So many frames are rendered of each world.", low=1)
    validation_frames: int = option(600, doc="So many held-out frames are rendered.", low=1)
    width: int = option(256, doc="The width of a rendered frame.", unit="px", low=32)
    height: int = option(192, doc="The height of a rendered frame.", unit="px", low=32)
    hfov_min_deg: float = option(45.0, doc="The narrowest horizontal field of view.", unit="deg", low=10.0, high=150.0)
    hfov_max_deg: float = option(105.0, doc="The widest horizontal field of view.", unit="deg", low=10.0, high=150.0)
    centre_shift: float = option(
        0.05, doc="The principal point is shifted by at most this fraction of the size.", low=0.0, high=0.4
    )
    workers: int = option(2, doc="So many processes render, then train, one thread each.", low=1)
    minutes: float = option(
        80.0, doc="The training takes this long; the learning rate is annealed over it.", unit="min", low=0.01
    )
    steps: int = option(0, doc="The training takes so many steps instead of minutes; 0 goes by the clock.", low=0)
    batch: int = option(24, doc="A step has so many images, over all processes.", low=2)
    small_share: float = option(0.75, doc="This fraction of the run is spent on small crops first.", low=0.0, high=1.0)
    learning_rate: float = option(2.5e-3, doc="The peak learning rate of AdamW.", low=1e-6, high=1.0)
    weight_decay: float = option(0.02, doc="The weight decay of AdamW.", low=0.0, high=1.0)
    warmup_share: float = option(0.02, doc="The learning rate rises over this fraction of the run.", low=0.0, high=1.0)
    clip_norm: float = option(1.0, doc="Gradients are clipped to this norm.", low=1e-3)
    ema_decay: float = option(0.999, doc="The decay of the moving average of the weights.", low=0.0, high=1.0)
    silog_weight: float = option(0.5, doc="The weight of the scale-invariant term in the loss.", low=0.0)
    gradient_weight: float = option(0.5, doc="The weight of the gradient term in the loss.", low=0.0)
    sky_weight: float = option(0.2, doc="The weight of the sky term in the loss.", low=0.0)
    checkpoint_minutes: float = option(4.0, doc="The time between two checkpoints.", unit="min", low=0.01)
    seed: int = option(0, doc="The seed of the worlds, the crops and the first weights.", low=0)


SMALL_SIZES = ((192, 128), (160, 160), (192, 160), (160, 128), (224, 128))
FULL_SIZES = ((256, 192), (256, 192), (256, 192), (288, 160), (224, 224), (320, 160))
"""(width, height) of the crops of the first and of the second part of a run; one size a batch."""
