# SPDX-License-Identifier: Apache-2.0
"""`python -m mono_depth_ros.nodes.world_node`: see `nodes/sources/world_node.py`."""

import sys

from mono_depth_ros.startup import node_main

main = node_main("mono_depth_ros.nodes.sources.world_node")

if __name__ == "__main__":
    sys.exit(main())
