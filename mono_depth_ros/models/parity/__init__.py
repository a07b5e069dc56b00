# SPDX-License-Identifier: Apache-2.0
"""Every family against its authors' code without their weights: networks of noise that follows from names, whose depth
the authors' code gave for a picture made of integers. `authors.json` holds a few of those numbers."""
