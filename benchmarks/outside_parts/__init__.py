# SPDX-License-Identifier: Apache-2.0
"""The processes around the depth node, and what is asked of it, of outside.py."""
