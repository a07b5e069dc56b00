# SPDX-License-Identifier: Apache-2.0
"""The checks and measurements of `benchmarks/gpu.py`."""
