# SPDX-License-Identifier: Apache-2.0
"""Kinds of files, damage, and the process that reads damaged files: what corruption.py runs."""
