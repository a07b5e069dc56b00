# SPDX-License-Identifier: Apache-2.0
"""The parts of alignment.py: each has `rows`, one dict a figure."""
