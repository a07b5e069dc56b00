# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models`: which models there are, fetching their weights, checking them, exporting their graphs."""
