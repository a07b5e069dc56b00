# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bench alignment`: what fixing the scale gives, on planted truth, on real frames, and in time."""
