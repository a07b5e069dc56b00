# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models prove`: everything that can be said of models where their weights are, as a page to send."""
