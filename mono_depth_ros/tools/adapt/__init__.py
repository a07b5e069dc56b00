# SPDX-License-Identifier: Apache-2.0
"""`mono_depth adapt`: a network learns from the recordings of one camera."""
