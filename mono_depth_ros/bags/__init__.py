# SPDX-License-Identifier: Apache-2.0
"""Recordings: one reader and one writer."""
