# SPDX-License-Identifier: Apache-2.0
"""Adapt a trained network to the images of one camera, with what is known of their depth."""
