# SPDX-License-Identifier: Apache-2.0
"""`mono_depth info`: what is in a recording, and what `mono_depth bag` would make of it."""
