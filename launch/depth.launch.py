# SPDX-License-Identifier: Apache-2.0
"""The depth node on a camera topic: ros2 launch mono_depth_ros depth.launch.py image:=/camera/image_raw

Of a driver whose topics are known: camera:=realsense (config/cameras). On several cameras: cameras:='[front, left]',
with image:=image_rect where their images are not called NAME/image_raw.

Wiring only. Every parameter of the node is an argument here, with its own documentation; an argument that is not
given is not passed on, so that the default is the node's. An argument beats `params_file`, which beats the default.

With alignment:=lidar points:=/lidar/points and the like, the alignment node runs beside it, in the same namespace: what
both nodes have (lazy, stride ...) goes to both, but the limits min_depth and max_depth go to the alignment node alone,
since metres before the alignment are none.

With alignment_model:=prompt_depth_anything_small and an alignment, the alignment node runs alone: the reference is the
prompt of the network, which it runs itself.
"""

from dataclasses import fields

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from mono_depth_ros.config import (
    ALIGNMENT,
    AlignmentModelConfig,
    AlignmentNodeConfig,
    DepthConfig,
    DepthNodeConfig,
    GroundConfig,
    ImageConfig,
    ModelConfig,
    ObstacleConfig,
)
from mono_depth_ros.config import REFERENCES as NAMES
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.nodes.ros.camera_files import CAMERA_DOC, camera_file
from mono_depth_ros.nodes.ros.launching import (
    PROFILE_DOC,
    existing_file,
    file_for,
    node_environment,
    option_arguments,
    option_parameters,
)

CLASSES = (ModelConfig, DepthConfig, DepthNodeConfig, ImageConfig, GroundConfig, ObstacleConfig)
ALIGNMENT_NODE = (AlignmentNodeConfig, AlignmentModelConfig, ImageConfig, *ALIGNMENT, ObstacleConfig)
OWN = (
    "reference",
    "seed",
)  # `alignment` gives the reference; the seed is in files only: demo.launch.py has one as well
METRES = ("min_depth", "max_depth")
ALIGNMENTS = ("none", *(name for name in NAMES if name != "none"), "calibration")
RESPAWN_S = 2.0  # until a node that ended is started again
REFERENCES = {
    "points": ("points", "lidar: PointCloud2"),
    "scan": ("scan", "scan: LaserScan"),
    "range": ("range", "range: Range"),
    "left": ("left", "stereo: left image, rectified"),
    "right": ("right", "stereo: right image, rectified"),
    "left_info": ("left/camera_info", "stereo: of the left camera; empty: the one beside left"),
    "right_info": ("right/camera_info", "stereo: of the right camera; empty: the one beside right"),
    "reference_depth": ("reference/depth", "depth: Image, 32FC1 metres or 16UC1 millimetres"),
    "disparity": ("reference/disparity", "disparity: DisparityImage"),
    "reference_info": ("reference/camera_info", "depth, disparity: of the reference; empty: the one beside the depth"),
    "odom": ("odom", "motion: Odometry of the robot, or of the camera itself, or PoseStamped with pose_frame"),
    "imu": ("imu", "ground: Imu that tells which way is up, if nothing else does"),
}
"""Arguments that name topics of references, what the node calls them, and what they are."""
ARGUMENTS = [
    DeclareLaunchArgument("camera", default_value="", description=CAMERA_DOC),
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
    DeclareLaunchArgument("params_file", default_value="", description="YAML file with parameters of the depth node"),
    DeclareLaunchArgument("namespace", default_value="", description="namespace of the nodes and their topics"),
    DeclareLaunchArgument("node_name", default_value="depth", description="name of the depth node"),
    DeclareLaunchArgument(
        "use_sim_time", default_value="", description="true: take the time from /clock; empty: false"
    ),
    DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
    DeclareLaunchArgument(
        "alignment",
        default_value="none",
        description="what fixes the scale: a reference, or several as lidar,motion, which starts the alignment node; "
        "calibration: the file of that name, frozen, without a reference "
        f"(one or more, with commas, of: {', '.join(ALIGNMENTS)})",
    ),
    *(
        DeclareLaunchArgument(name, default_value="", description=f"topic for alignment:={text}")
        for name, (_, text) in REFERENCES.items()
    ),
    *option_arguments(*ALIGNMENT_NODE, without={*OWN, *(item.name for cls in CLASSES for item in fields(cls))}),
    DeclareLaunchArgument(
        "alignment_params_file",
        default_value="",
        description="YAML file with parameters of the alignment node; empty: params_file, if it has a section for it",
    ),
    DeclareLaunchArgument("fastdds_profile", default_value="auto", description=PROFILE_DOC),
    DeclareLaunchArgument(
        "respawn",
        default_value="false",
        choices=["true", "false"],
        description="start a node that ends, other than by the launch, again: after a GPU that failed, for instance",
    ),
    DeclareLaunchArgument(
        "rviz",
        default_value="false",
        choices=["true", "false"],
        description="open rviz2 as well, where it is installed",
    ),
    DeclareLaunchArgument("rviz_frame", default_value="", description="fixed frame of rviz; empty: that of the images"),
]


def start(context):
    """The actions, with the arguments of `context`."""
    of_camera = camera_file(LaunchConfiguration("camera").perform(context)).arguments

    def given(name):
        return LaunchConfiguration(name).perform(context) or of_camera.get(name, "")

    on = given("alignment") != "none"
    if given("alignment_model"):
        if not on:
            raise ConfigError(
                "alignment_model is given without alignment, expected the reference of its prompt: lidar ..."
            )
        return [alignment(given), *([rviz(given)] if given("rviz") == "true" else [])]
    file = [existing_file("params_file", given("params_file"))] if given("params_file") else []
    live = given("alignment") not in ("none", "calibration")
    follows = [{"scale_aligned": True}] if live and given("target_latency") else []
    parameters = [*follows, *file, *option_parameters(given, *CLASSES, without=METRES if on else ())]
    nodes = [node(given, "depth_node", given("node_name"), parameters, remappings(given), **again(given))]
    if on:
        nodes.append(alignment(given))
    return [*nodes, rviz(given)] if given("rviz") == "true" else nodes


def node(given, executable, name, parameters, remapped, **options):
    """One of ours, with what all have in common."""
    time = [{"use_sim_time": True}] if given("use_sim_time").lower() == "true" else []
    return Node(
        package="mono_depth_ros",
        executable=executable,
        name=name,
        namespace=given("namespace"),
        parameters=[*parameters, *time],
        remappings=remapped,
        ros_arguments=["--log-level", given("log_level")],
        additional_env=node_environment(given("fastdds_profile")),
        output="screen",
        **options,
    )


def again(given):
    """How a node that ended by itself is started again, as by a GPU that failed for good."""
    return {"respawn": True, "respawn_delay": RESPAWN_S} if given("respawn") == "true" else {}


def alignment(given):
    """The alignment node, which finds the depth node's outputs in the namespace they share."""
    kind = given("alignment")
    if DepthNodeConfig(cameras=given("cameras")).camera_names != ("",):
        raise ConfigError(
            f"alignment is '{kind}' with several cameras, expected one: launch each camera in a namespace of its own"
        )
    if given("alignment_params_file"):
        file = [existing_file("alignment_params_file", given("alignment_params_file"))]
    else:
        file = file_for("alignment", given("params_file")) if given("params_file") else []
    own = {"reference": "none", "frozen": True} if kind == "calibration" else {"reference": kind}
    AlignmentNodeConfig(reference=own["reference"])  # a misspelt one is refused here, where its argument is known
    remapped = [(topic, given(name)) for name, (topic, _) in REFERENCES.items() if given(name)]
    # The colours of the cloud come from the image that the depth is of; the rectified one is never compressed.
    rectify = given("rectify").lower() == "true"
    image = "rgb/image_rect" if rectify else given("image")
    info = [("camera_info", given("camera_info"))] if given("alignment_model") and given("camera_info") else []
    without = {*OWN, "image_transport"} if rectify else OWN
    parameters = option_parameters(given, *ALIGNMENT_NODE, DepthConfig, without=without)
    return node(
        given,
        "alignment_node",
        "alignment",
        [*file, *parameters, own],
        [*([("image", image)] if image else []), *info, *remapped],
        **again(given),
    )


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
    """What opens rviz2 on the topics that there are; it says so where rviz2 is not installed, and the others go on."""
    cameras = ",".join(DepthNodeConfig(cameras=given("cameras")).camera_names)
    options = [("--cameras", cameras), ("--transport", given("image_transport")), ("--frame", given("rviz_frame"))]
    words = [word for option, value in options if value for word in (option, value)]
    aligned = ["--aligned"] if given("alignment") != "none" else []
    return node(given, "rviz_node", "view", [], remappings(given), arguments=[*words, *aligned])


def generate_launch_description():
    """Every argument, then the nodes."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
