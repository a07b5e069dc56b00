# SPDX-License-Identifier: Apache-2.0
"""Any depth network in an ONNX file, by a contract file beside it that says what it reads and what it gives."""
