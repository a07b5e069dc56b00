# SPDX-License-Identifier: Apache-2.0
"""The one home of every default: node parameters, YAML files, command line and docs/parameters.md derive from it."""

from mono_depth_ros.config.alignment import (
    PROMPTS,
    REFERENCES,
    AlignConfig,
    AlignmentModelConfig,
    AlignmentNodeConfig,
    GroundConfig,
    ReferenceConfig,
    StereoConfig,
    TrackerConfig,
)
from mono_depth_ros.config.demo import (
    CameraNodeConfig,
    CameraTopicsConfig,
    DemoConfig,
    PlayConfig,
    RecorderConfig,
    WorldNodeConfig,
)
from mono_depth_ros.config.depth import DepthConfig, DepthNodeConfig, ModelConfig
from mono_depth_ros.config.images import ImageConfig
from mono_depth_ros.config.motion import MotionConfig
from mono_depth_ros.config.obstacles import ObstacleConfig
from mono_depth_ros.config.offline import BagConfig, EvalConfig, EvalModelConfig, FleetConfig, OfflineStereoConfig
from mono_depth_ros.config.option import Config, allowed, check, names, option

ALIGNMENT = (AlignConfig, TrackerConfig, ReferenceConfig, StereoConfig, GroundConfig, MotionConfig)
"""The options of an alignment and of everything that it can go by, in the order in which they are listed."""

__all__ = [
    "ALIGNMENT",
    "PROMPTS",
    "REFERENCES",
    "AlignConfig",
    "AlignmentModelConfig",
    "AlignmentNodeConfig",
    "BagConfig",
    "CameraNodeConfig",
    "CameraTopicsConfig",
    "Config",
    "DemoConfig",
    "DepthConfig",
    "DepthNodeConfig",
    "EvalConfig",
    "EvalModelConfig",
    "FleetConfig",
    "GroundConfig",
    "ImageConfig",
    "ModelConfig",
    "MotionConfig",
    "ObstacleConfig",
    "OfflineStereoConfig",
    "PlayConfig",
    "RecorderConfig",
    "ReferenceConfig",
    "StereoConfig",
    "TrackerConfig",
    "WorldNodeConfig",
    "allowed",
    "check",
    "names",
    "option",
]
