# SPDX-License-Identifier: Apache-2.0
"""The depth node on a camera topic: ros2 launch mono_depth_ros depth.launch.py image:=/camera/image_raw

On several: cameras:='[front, left]', with image:=image_rect where their images are not called NAME/image_raw.

Wiring only. Every parameter of the node is an argument here, with its own documentation; an argument that is not
given is not passed on, so that the default is the node's. An argument beats `params_file`, which beats the default.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from mono_depth_ros.config import DepthConfig, DepthNodeConfig, ModelConfig
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.nodes.launching import (
    PROFILE_DOC,
    existing_file,
    node_environment,
    option_arguments,
    option_parameters,
    profile_environment,
)
from mono_depth_ros.resources import share_file

CLASSES = (ModelConfig, DepthConfig, DepthNodeConfig)
ARGUMENTS = [
    DeclareLaunchArgument(
        "image",
        default_value="",
        description="image topic; with cameras: what it is called below each camera's name, if not image_raw",
    ),
    DeclareLaunchArgument(
        "camera_info",
        default_value="",
        description="camera_info topic; empty: the one beside the image topic; with cameras: as for image",
    ),
    *option_arguments(*CLASSES),
    DeclareLaunchArgument("params_file", default_value="", description="YAML file with parameters of the node"),
    DeclareLaunchArgument("namespace", default_value="", description="namespace of the node and its topics"),
    DeclareLaunchArgument("node_name", default_value="depth", description="name of the node"),
    DeclareLaunchArgument("use_sim_time", default_value="false", description="true: take the time from /clock"),
    DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
    DeclareLaunchArgument(
        "alignment", default_value="none", choices=["none"], description="reference that corrects the scale"
    ),
    DeclareLaunchArgument("fastdds_profile", default_value="auto", description=PROFILE_DOC),
    DeclareLaunchArgument("rviz", default_value="false", choices=["true", "false"], description="open rviz2 as well"),
    DeclareLaunchArgument("rviz_frame", default_value="", description="fixed frame of rviz: that of the images"),
]


def start(context):
    """The actions, with the arguments of `context`."""

    def given(name):
        return LaunchConfiguration(name).perform(context)

    file = [existing_file("params_file", given("params_file"))] if given("params_file") else []
    time = [{"use_sim_time": True}] if given("use_sim_time").lower() == "true" else []
    depth = Node(
        package="mono_depth_ros",
        executable="depth_node",
        name=given("node_name"),
        namespace=given("namespace"),
        parameters=[*file, *option_parameters(given, *CLASSES), *time],
        remappings=remappings(given),
        ros_arguments=["--log-level", given("log_level")],
        additional_env=node_environment(given("fastdds_profile")),
        output="screen",
    )
    return [depth, rviz(given)] if given("rviz") == "true" else [depth]


def remappings(given):
    """The inputs; those of several cameras are below each one's name, so that one argument serves them all."""
    inputs = {name: given(name) for name in ("image", "camera_info") if given(name)}
    names = DepthNodeConfig(cameras=given("cameras")).camera_names
    if names == ("",):
        return list(inputs.items())
    for name, topic in inputs.items():
        if topic.startswith("/"):
            raise ConfigError(f"{name} is '{topic}', expected with cameras a name below each of theirs, as image_raw")
    own = {"image": "image_raw", "camera_info": "camera_info"}
    return [(f"{camera}/{own[name]}", f"{camera}/{topic}") for camera in names for name, topic in inputs.items()]


def rviz(given):
    """rviz2 with the package's view, whose absolute topic names are made to follow the namespace and the image."""
    space = f"/{given('namespace').strip('/')}".rstrip("/")
    image = given("image") or "image"
    outputs = ("depth/image", "depth/color", "depth/points") if space else ()
    frame = ["-f", given("rviz_frame")] if given("rviz_frame") else []
    return Node(
        package="rviz2",
        executable="rviz2",
        name="rviz",
        arguments=["-d", str(share_file("rviz/depth.rviz")), *frame],
        remappings=[
            ("/image", image if image.startswith("/") else f"{space}/{image}"),
            *((f"/{topic}", f"{space}/{topic}") for topic in outputs),
        ],
        additional_env=profile_environment(given("fastdds_profile")),
        output="log",
    )


def generate_launch_description():
    """Every argument, then the nodes."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
