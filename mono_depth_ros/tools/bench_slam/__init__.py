# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bench slam`: how well RGB-D odometry knows its way with our depth."""
