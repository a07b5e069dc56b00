# SPDX-License-Identifier: Apache-2.0
"""A synthetic camera and lidar, and the depth node on them: ros2 launch mono_depth_ros demo.launch.py rviz:=true

Takes the arguments of depth.launch.py as well, such as alignment:=lidar or alignment:=motion. Topics: camera/image_raw,
camera/camera_info, camera/depth_truth, lidar/points, pose, odom, and those of the other nodes.
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from mono_depth_ros.config import CameraTopicsConfig, WorldNodeConfig
from mono_depth_ros.nodes.ros.launching import PROFILE_DOC, node_environment, option_arguments, option_parameters
from mono_depth_ros.world import require_numba

CLASSES = (WorldNodeConfig, CameraTopicsConfig)
IMAGE = "camera/image_raw"
POINTS = "lidar/points"
ODOM = "odom"
TOPICS = [
    ("image_raw", IMAGE),
    ("image_raw/compressed", f"{IMAGE}/compressed"),
    ("camera_info", "camera/camera_info"),
    ("depth_truth", "camera/depth_truth"),
]
ARGUMENTS = [
    DeclareLaunchArgument("model", default_value="tiny", description="model of the depth node"),
    DeclareLaunchArgument("namespace", default_value="", description="namespace of both nodes and their topics"),
    DeclareLaunchArgument("fastdds_profile", default_value="auto", description=PROFILE_DOC),
    *option_arguments(*CLASSES),
]


def start(context):
    """The actions, with the arguments of `context`. Raises ConfigError where numba is not installed."""
    require_numba()

    def given(name):
        return LaunchConfiguration(name).perform(context)

    world = Node(
        package="mono_depth_ros",
        executable="world_node",
        name="world",
        namespace=given("namespace"),
        parameters=option_parameters(given, *CLASSES),
        remappings=TOPICS,
        additional_env=node_environment(given("fastdds_profile")),
        output="screen",
    )
    depth = PythonLaunchDescriptionSource(str(Path(__file__).with_name("depth.launch.py")))
    return [
        world,
        IncludeLaunchDescription(depth, launch_arguments=[("image", IMAGE), ("points", POINTS), ("odom", ODOM)]),
    ]


def generate_launch_description():
    """Every argument, then the nodes."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
