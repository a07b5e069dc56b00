# SPDX-License-Identifier: Apache-2.0
# ROS 2 Humble, torch, ONNX Runtime and TensorRT on a Jetson Orin with JetPack 6 (L4T r36).
# NOT BUILT YET: written from documentation, without a Jetson or a network to build with. docs/gpu.md says how to run it.
#
#   docker build -f docker/jetson.Dockerfile -t mono_depth_jetson .

# Ubuntu 22.04 with CUDA 12.6, cuDNN and TensorRT 10.3 of JetPack 6.1; runs on 6.1 and 6.2.
FROM nvcr.io/nvidia/l4t-jetpack:r36.4.0

ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8
ARG JETSON_INDEX=https://pypi.jetson-ai-lab.io/jp6/cu126

RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl gnupg \
    && curl -fsSL https://raw.githubusercontent.com/ros/rosdistro/master/ros.key -o /usr/share/keyrings/ros-archive-keyring.gpg \
    && echo "deb [arch=arm64 signed-by=/usr/share/keyrings/ros-archive-keyring.gpg] http://packages.ros.org/ros2/ubuntu jammy main" \
        > /etc/apt/sources.list.d/ros2.list \
    && apt-get update && apt-get install -y --no-install-recommends \
        python3-colcon-common-extensions python3-pip python3-venv \
        ros-humble-ros-base ros-humble-cv-bridge ros-humble-sensor-msgs-py ros-humble-stereo-msgs ros-humble-tf2-ros-py \
    && rm -rf /var/lib/apt/lists/*

# What torch's wheels for JetPack are linked with and the image lacks.
RUN curl -fsSLO https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/arm64/cuda-keyring_1.1-1_all.deb \
    && dpkg -i cuda-keyring_1.1-1_all.deb && rm cuda-keyring_1.1-1_all.deb \
    && apt-get update && apt-get install -y --no-install-recommends cudss libcusparselt0 \
    && rm -rf /var/lib/apt/lists/*

# An environment that sees the system's packages: those of ROS, and TensorRT's.
RUN python3 -m venv --system-site-packages /opt/venv
ENV PATH=/opt/venv/bin:$PATH

# PyPI's wheels do not know this GPU. torch first: what comes later keeps it.
RUN pip install --no-cache-dir --upgrade pip \
    && pip install --no-cache-dir --index-url ${JETSON_INDEX} torch onnxruntime-gpu

COPY package.xml setup.py setup.cfg MANIFEST.in LICENSE README.md SECURITY.md CHANGELOG.rst /ws/src/mono_depth_ros/
COPY resource /ws/src/mono_depth_ros/resource
COPY launch /ws/src/mono_depth_ros/launch
COPY config /ws/src/mono_depth_ros/config
COPY rviz /ws/src/mono_depth_ros/rviz
COPY mono_depth_ros /ws/src/mono_depth_ros/mono_depth_ros

# What the package depends on, by pip; then the package itself, by colcon, as ROS finds it. cv_bridge is compiled for
# NumPy 1, and newer OpenCV wants NumPy 2.
RUN pip install --no-cache-dir '/ws/src/mono_depth_ros[transformers,onnx-gpu]' 'numpy<2' 'opencv-python<4.12' \
    && pip uninstall -y mono_depth_ros
RUN cd /ws && . /opt/ros/humble/setup.sh && python -m colcon build --packages-select mono_depth_ros

RUN printf '#!/bin/bash\nset -e\nsource /opt/ros/humble/setup.bash\nsource /ws/install/setup.bash\nexec "$@"\n' > /entry.sh \
    && chmod +x /entry.sh
ENTRYPOINT ["/entry.sh"]
CMD ["ros2", "launch", "mono_depth_ros", "depth.launch.py", "image:=/camera/image_raw", "device:=cuda"]
