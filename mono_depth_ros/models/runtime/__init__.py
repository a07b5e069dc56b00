# SPDX-License-Identifier: Apache-2.0
"""What runs a network: torch, ONNX Runtime, OpenVINO, TensorRT. All behind one call, all checked."""
