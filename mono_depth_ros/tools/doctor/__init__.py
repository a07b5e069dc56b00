# SPDX-License-Identifier: Apache-2.0
"""`mono_depth doctor`: what is on this machine, and what to do about what is not."""
