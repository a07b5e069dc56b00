# SPDX-License-Identifier: Apache-2.0
"""The networks: nn.Modules alone, without files, errors or options."""
