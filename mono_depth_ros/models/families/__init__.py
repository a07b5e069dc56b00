# SPDX-License-Identifier: Apache-2.0
"""The families of models: one file each, that says what it declares and how it loads, by a function `load`."""
