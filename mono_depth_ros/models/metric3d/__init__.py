# SPDX-License-Identifier: Apache-2.0
"""Metric3D v2 (Hu, Yin et al. 2024, arXiv 2404.15506): metric depth and normals from one calibrated camera.

The reference is the authors' code, github.com/YvanYin/Metric3D.
"""
