# SPDX-License-Identifier: Apache-2.0
"""What goes in and out, written once for live and recorded."""
