# SPDX-License-Identifier: Apache-2.0
# ROS 2 Jazzy, torch with CUDA 12, ONNX Runtime and TensorRT, for desktops and servers with a driver from 525 on.
# NOT BUILT YET: written from documentation, without a GPU or a network to build with. docs/gpu.md says how to run it.
#
#   docker build -f docker/gpu.Dockerfile -t mono_depth_gpu .

FROM ros:jazzy-ros-base

# CUDA itself comes with torch's wheels; the driver comes from the host (NVIDIA Container Toolkit, --gpus all).
ENV DEBIAN_FRONTEND=noninteractive \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
ARG TORCH_INDEX=https://download.pytorch.org/whl/cu126

RUN apt-get update && apt-get install -y --no-install-recommends \
        python3-colcon-common-extensions python3-pip python3-venv \
        ros-jazzy-cv-bridge ros-jazzy-sensor-msgs-py ros-jazzy-stereo-msgs ros-jazzy-tf2-ros-py \
    && rm -rf /var/lib/apt/lists/*

# Ubuntu 24.04 lets pip install nothing beside its own packages (PEP 668): an environment that sees those of ROS.
RUN python3 -m venv --system-site-packages /opt/venv
ENV PATH=/opt/venv/bin:$PATH

# torch first, from its own index: the extras then find it and keep it. CUDA 12 throughout: docs/gpu.md.
RUN pip install --no-cache-dir --index-url ${TORCH_INDEX} torch

COPY package.xml setup.py setup.cfg MANIFEST.in LICENSE README.md SECURITY.md CHANGELOG.rst /ws/src/mono_depth_ros/
COPY resource /ws/src/mono_depth_ros/resource
COPY launch /ws/src/mono_depth_ros/launch
COPY config /ws/src/mono_depth_ros/config
COPY rviz /ws/src/mono_depth_ros/rviz
COPY mono_depth_ros /ws/src/mono_depth_ros/mono_depth_ros

# What the package depends on, by pip; then the package itself, by colcon, as ROS finds it. cv_bridge is compiled for
# NumPy 1, and newer OpenCV wants NumPy 2.
RUN pip install --no-cache-dir '/ws/src/mono_depth_ros[transformers,onnx-gpu]' 'numpy<2' 'opencv-python<4.12' \
        'onnxruntime-gpu<1.26' 'tensorrt-cu12==10.*' \
    && pip uninstall -y mono_depth_ros
RUN cd /ws && . /opt/ros/jazzy/setup.sh && python -m colcon build --packages-select mono_depth_ros

RUN printf '#!/bin/bash\nset -e\nsource /opt/ros/jazzy/setup.bash\nsource /ws/install/setup.bash\nexec "$@"\n' > /entry.sh \
    && chmod +x /entry.sh
ENTRYPOINT ["/entry.sh"]
CMD ["ros2", "launch", "mono_depth_ros", "depth.launch.py", "image:=/camera/image_raw", "device:=cuda"]
