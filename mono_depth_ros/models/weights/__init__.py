# SPDX-License-Identifier: Apache-2.0
"""Weights from the Hugging Face hub: its cache, downloads that resume, and checks of what lies on the disk."""
