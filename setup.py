# SPDX-License-Identifier: Apache-2.0
"""Build with `pip install .` or with `colcon build`; both install the same files. The version is package.xml's."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from setuptools import find_packages, setup

NAME = "mono_depth_ros"
HERE = Path(__file__).resolve().parent


def folder(name, *patterns):
    """A data_files entry: the files of one folder, installed under share/."""
    found = sorted(path for pattern in patterns for path in (HERE / name).glob(pattern))
    return (f"share/{NAME}/{name}", [str(path.relative_to(HERE)) for path in found])


def wheels(rclpy, rmw, common_interfaces):
    """The real ROS 2 of one distribution, from the Python package index: rclpy, Fast DDS and the messages we use."""
    messages = ("diagnostic", "geometry", "nav", "sensor", "std", "stereo")
    return [
        rclpy,
        f"ros-rmw-fastrtps-cpp=={rmw}",
        f"ros-std-srvs=={common_interfaces}",
        *(f"ros-{name}-msgs=={common_interfaces}" for name in messages),
    ]


WORLD = ["numba>=0.55"]  # the synthetic world: demo and training; a robot does not need it
TEST = ["pytest", "pytest-timeout"]
TRANSFORMERS = ["transformers>=4.45"]
# The graphs that OpenVINO and ONNX Runtime run are exported by torch, 2.5 or later, with onnxscript.
EXPORT = ["onnx>=1.16", "onnxscript>=0.2"]
# Two wheels of one module: whoever installs both has what came last, and nothing when one goes.
ONNX = [*EXPORT, "onnxruntime>=1.18"]
ONNX_GPU = [*EXPORT, "onnxruntime-gpu>=1.18"]
OPENVINO = [*EXPORT, "openvino>=2024.4"]
INT8 = [*OPENVINO, "nncf>=2.14"]

setup(
    name=NAME,
    version=ElementTree.parse(HERE / "package.xml").getroot().findtext("version"),
    description="One camera in; metric depth, a point cloud and an honest error figure out, in ROS 2",
    license="Apache-2.0",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    include_package_data=False,
    package_data={
        NAME: ["py.typed"],
        f"{NAME}.models": ["**/*.safetensors", "**/*.json"],
        f"{NAME}.tools": ["**/*.html", "**/*.js", "**/*.css", "**/*.json"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        folder("launch", "*.launch.py"),
        folder("config", "*.yaml", "*.xml", "*.json"),
        folder("config/cameras", "*.yaml"),
        folder("rviz", "*.rviz"),
    ],
    python_requires=">=3.10",
    # NumPy, OpenCV, PyYAML, tqdm and numba are no newer than those of Ubuntu 22.04, which belongs to Humble.
    # opencv-python 5 breaks cv_bridge for every multi-channel encoding.
    install_requires=[
        "huggingface_hub>=0.24",
        "mcap>=1.1",
        "numpy>=1.21",
        "opencv-python>=4.5,<5",
        "PyYAML",
        "rosbags>=0.11",
        "safetensors>=0.4",
        "torch>=2.3",  # the first for JetPack 6
        "tqdm",
    ],
    extras_require={
        "completion": ["argcomplete>=1.8"],  # of `mono_depth` in the shell
        "int8": INT8,  # mono_depth models quantize; what it writes runs without it
        "onnx": ONNX,
        "onnx-gpu": ONNX_GPU,
        "openvino": OPENVINO,
        "ray": ["ray>=2.9"],  # many bags on many machines
        "orb-slam": ["pyorbslam3>=0.1.1"],  # benchmarks/slam.py; GPL-3.0, x86-64 alone
        "slam": ["evo>=1.26", "open3d>=0.18"],  # benchmarks/slam.py; mono_depth bag --map
        "transformers": TRANSFORMERS,
        "world": WORLD,
        "test": TEST,  # tells `colcon test` to run pytest
        "jazzy": wheels("ros-jazzy-rclpy==7.1.6", "8.4.3", "5.3.6"),
        "kilted": wheels("ros-kilted-rclpy==9.1.2", "9.3.3", "5.5.1"),
        "dev": [
            *TEST,
            *ONNX,
            *OPENVINO,
            *TRANSFORMERS,
            *WORLD,
            "argcomplete",
            "catkin-pkg",
            "colcon-common-extensions",
            "import-linter",
            "mypy",
            "pillow",  # the reference processors of transformers
            "pytest-xdist",
            "ruff",
            "types-PyYAML",
        ],
    },
    entry_points={
        "console_scripts": [
            f"mono_depth = {NAME}.tools.cli:script",
            f"depth_node = {NAME}.nodes.depth_node:main",
            f"camera_node = {NAME}.nodes.camera_node:main",
            f"world_node = {NAME}.nodes.world_node:main",
            f"alignment_node = {NAME}.nodes.alignment_node:main",
            f"play_node = {NAME}.nodes.play_node:main",
            f"rviz_node = {NAME}.nodes.rviz_node:main",
        ],
    },
    zip_safe=False,
)
