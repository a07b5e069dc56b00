# SPDX-License-Identifier: Apache-2.0
"""What the HTML pages of `demo` and `eval` are made of: page, charts, pictures, distributions of errors."""
