# SPDX-License-Identifier: Apache-2.0
"""Cameras, rays and clouds: from depth to points and back, on torch tensors, the same code on CPU and CUDA."""
