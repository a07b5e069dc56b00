# SPDX-License-Identifier: Apache-2.0
"""ZoeDepth, DPT, GLPN and Depth Pro: the networks of `transformers`, their processing as torch ops.

The reference is `transformers` itself: the network with the processor of its family (`image_processing_pil_*.py`).
"""
