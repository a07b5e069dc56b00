# SPDX-License-Identifier: Apache-2.0
"""A camera topic in, obstacles and a scan for Nav2 out:

    ros2 launch mono_depth_ros nav2_depth.launch.py image:=/camera/image_raw

It is depth.launch.py, whose arguments it takes as well (camera:=realsense, model:=..., alignment:=lidar ...), with
obstacles on, in the frame `base_frame`. Where the camera is on the robot comes by tf2, or by one of these, which tf2
is told too, since a costmap clears from the camera:

    mount:='0.2 0 0.3 0 10 0'              x y z in metres, roll pitch yaw in degrees; a positive pitch looks down
    camera_height:=0.3 pitch_deg:=10       the same above the middle of the robot
    base_from_camera:='x y z qx qy qz qw'  of the optical frame

config/nav2_costmap.yaml has the layers for it, docs/nav2.md the rest.
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, LogInfo, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.geometry.rigid import MOUNT_FROM_OPTICAL, quaternion, rigid_from_mount, rigid_from_text
from mono_depth_ros.nodes.ros.camera_files import CAMERA_DOC, camera_file

PLACES = ("mount", "camera_height", "base_from_camera")
ARGUMENTS = [
    DeclareLaunchArgument("camera", default_value="", description=CAMERA_DOC),
    DeclareLaunchArgument("obstacles", default_value="true", description="obstacles, free and scan come out"),
    DeclareLaunchArgument(
        "base_frame",
        default_value="base_link",
        description="the robot's frame, x ahead and z up with z = 0 on the floor, which obstacles and scan are in",
    ),
    DeclareLaunchArgument(
        "mount",
        default_value="",
        description="the camera in base_frame, where tf2 does not know: x y z roll pitch yaw in metres and degrees",
    ),
    DeclareLaunchArgument(
        "camera_height", default_value="", description="instead of mount: above the middle of the robot, in metres"
    ),
    DeclareLaunchArgument(
        "pitch_deg", default_value="", description="with camera_height: degrees, positive looks down"
    ),
    DeclareLaunchArgument("roll_deg", default_value="", description="with camera_height; 180 is upside down"),
    DeclareLaunchArgument(
        "base_from_camera",
        default_value="",
        description="instead of mount: x y z qx qy qz qw that take the camera's optical frame into base_frame",
    ),
    DeclareLaunchArgument(
        "camera_frame",
        default_value="",
        description="frame_id of the images, which tf2 is told; empty: that of the file of the camera",
    ),
    DeclareLaunchArgument("namespace", default_value="", description="namespace of the nodes and their topics"),
]


def start(context):
    """The actions, with the arguments of `context`."""

    def given(name):
        return LaunchConfiguration(name).perform(context)

    depth = PythonLaunchDescriptionSource(str(Path(__file__).with_name("depth.launch.py")))
    published, known = placed(given)
    return [*published, IncludeLaunchDescription(depth, launch_arguments=list(known.items()))]


def placed(given):
    """The actions that tell tf2 where the camera is, and what the depth node is told besides its arguments."""
    said = [name for name in PLACES if given(name)]
    if len(said) > 1:
        raise ConfigError(f"{' and '.join(said)} are given, expected one of them: each says where the camera is")
    if not said:
        return [], {}  # tf2 knows
    driver = camera_file(given("camera")).driver
    frame, mount = given("camera_frame") or driver.frame, "" if given("camera_frame") else driver.mount
    if said == ["base_from_camera"]:
        if mount:
            raise ConfigError(
                f"base_from_camera is given with a driver that publishes the frames from '{mount}' on, expected mount, "
                "the place of that one"
            )
        return told(given, frame, rigid_from_text(given("base_from_camera"))), {}
    if said == ["camera_height"] and not given("pitch_deg"):
        raise ConfigError(
            "camera_height is given without pitch_deg, expected both: tf2 has to know how the camera looks"
        )
    height = f"0 0 {given('camera_height')} {given('roll_deg') or 0} {given('pitch_deg')} 0"
    body = rigid_from_mount(given("mount") or height)
    if mount:
        return told(given, mount, body), {}
    optical = body @ MOUNT_FROM_OPTICAL
    return told(given, frame, optical), {"base_from_camera": " ".join(map(repr, pose(optical)))}


def told(given, child, matrix):
    """What tells tf2 where a frame is in `base_frame`, or a sentence where its name is not known."""
    if not child:
        words = (
            "tf2 is not told where the camera is, which costmap layers need that clear with free: give "
            "camera_frame:=NAME, the frame_id of the images"
        )
        return [LogInfo(msg=words)]
    names = ("x", "y", "z", "qx", "qy", "qz", "qw")
    numbers = [word for name, value in zip(names, pose(matrix), strict=True) for word in (f"--{name}", f"{value:.9f}")]
    return [
        Node(
            package="tf2_ros",
            executable="static_transform_publisher",
            name="camera_on_robot",
            namespace=given("namespace"),
            arguments=[*numbers, "--frame-id", given("base_frame"), "--child-frame-id", child],
        )
    ]


def pose(matrix):
    """x, y, z, qx, qy, qz, qw of a (4, 4)."""
    return [*matrix[:3, 3].tolist(), *quaternion(matrix[:3, :3])]


def generate_launch_description():
    """Every argument, then the nodes."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
