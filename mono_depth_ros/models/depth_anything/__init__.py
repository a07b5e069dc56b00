# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2: the network, the checkpoints it comes in, the authors' processing."""
