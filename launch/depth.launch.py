# SPDX-License-Identifier: Apache-2.0
"""The depth node on a camera topic: ros2 launch mono_depth_ros depth.launch.py image:=/camera/image_raw

Wiring only. Every parameter of the node is an argument here, with its own documentation; an argument that is not
given is not passed on, so that the default is the node's. An argument beats `params_file`, which beats the default.
"""

from dataclasses import fields
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from mono_depth_ros import transport
from mono_depth_ros.config import DepthConfig, DepthNodeConfig, ModelConfig, allowed
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.resources import share_file

OPTIONS = [item for cls in (ModelConfig, DepthConfig, DepthNodeConfig) for item in fields(cls)]
REMAPPED = {
    "image": "image topic",
    "camera_info": "camera_info topic; empty: the one beside the image topic",
}
WIRING = [
    DeclareLaunchArgument("params_file", default_value="", description="YAML file with parameters of the node"),
    DeclareLaunchArgument("namespace", default_value="", description="namespace of the node and its topics"),
    DeclareLaunchArgument("node_name", default_value="depth", description="name of the node"),
    DeclareLaunchArgument("use_sim_time", default_value="", description="true: take the time from /clock"),
    DeclareLaunchArgument("log_level", default_value="", description="debug, info, warn, error or fatal"),
    DeclareLaunchArgument(
        "alignment", default_value="none", choices=["none"], description="reference that corrects the scale"
    ),
    DeclareLaunchArgument(
        "fastdds_profile",
        default_value="auto",
        description="auto: the package's Fast DDS profile unless the environment names one; none; or an XML file",
    ),
    DeclareLaunchArgument("rviz", default_value="false", choices=["true", "false"], description="open rviz2 as well"),
    DeclareLaunchArgument(
        "rviz_frame", default_value="", description="fixed frame of rviz, the camera's optical frame"
    ),
]


def option_argument(item):
    """The launch argument of one parameter of the node."""
    text = f"{item.metadata['doc']}: {allowed(item)} (default: {item.default})"
    return DeclareLaunchArgument(item.name, default_value="", description=text)


def typed(item, text):
    """The text of an argument as the parameter's type; what does not fit stays text, which the node refuses."""
    if isinstance(item.default, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return type(item.default)(text)
    except ValueError:
        return text


def start(context):
    """The actions, with the arguments of `context`."""

    def given(name):
        return LaunchConfiguration(name).perform(context)

    parameters = []
    if given("params_file"):
        if not Path(given("params_file")).is_file():
            raise ConfigError(f"params_file: there is no file {given('params_file')}")
        parameters.append(given("params_file"))
    values = {item.name: typed(item, given(item.name)) for item in OPTIONS if given(item.name)}
    if given("use_sim_time"):
        values["use_sim_time"] = given("use_sim_time").lower() == "true"
    parameters += [{name: text_stays_text(value)} for name, value in values.items()]

    depth = Node(
        package="mono_depth_ros",
        executable="depth_node",
        name=given("node_name"),
        namespace=given("namespace"),
        parameters=parameters,
        remappings=[(name, given(name)) for name in REMAPPED if given(name)],
        ros_arguments=["--log-level", given("log_level")] if given("log_level") else [],
        # SIGTERM to `ros2 launch` does not reach its nodes: this one watches it.
        additional_env={"MONO_DEPTH_ROS_EXIT_WITH_PARENT": "1", **profile(given("fastdds_profile"))},
        output="screen",
    )
    return [depth, rviz(given)] if given("rviz") == "true" else [depth]


def text_stays_text(value):
    """launch_ros reads a bare string as YAML: a model directory named `1` would become a number."""
    return ParameterValue(value, value_type=str) if isinstance(value, str) else value


def profile(choice):
    """The environment variables that choose the Fast DDS profile; without effect on other middleware."""
    if choice == "auto":
        return transport.environment()
    if choice == "none":
        return {}
    if not Path(choice).is_file():
        raise ConfigError(f"fastdds_profile is '{choice}', expected auto, none or an existing XML file")
    return dict.fromkeys(transport.VARIABLES, choice)


def rviz(given):
    """rviz2 with the package's view; its absolute topic names follow the namespace and the image."""
    space = "/" + given("namespace").strip("/") if given("namespace").strip("/") else ""
    outputs = ["depth/image", "depth/color", "depth/points"] if space else []
    image = given("image") or "image"
    return Node(
        package="rviz2",
        executable="rviz2",
        name="rviz",
        arguments=[
            "-d",
            str(share_file("rviz/depth.rviz")),
            *(["-f", given("rviz_frame")] if given("rviz_frame") else []),
        ],
        remappings=[
            ("/image", image if image.startswith("/") else f"{space}/{image}"),
            *((f"/{topic}", f"{space}/{topic}") for topic in outputs),
        ],
        additional_env=profile(given("fastdds_profile")),
        output="log",
    )


def generate_launch_description():
    """Every argument, then the nodes."""
    remapped = [DeclareLaunchArgument(name, default_value="", description=doc) for name, doc in REMAPPED.items()]
    arguments = [*remapped, *map(option_argument, OPTIONS), *WIRING]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
