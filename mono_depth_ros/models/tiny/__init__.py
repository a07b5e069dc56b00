# SPDX-License-Identifier: Apache-2.0
"""The embedded model: its network and its weights."""
