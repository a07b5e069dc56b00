# SPDX-License-Identifier: Apache-2.0
"""`python -m mono_depth_ros.nodes.rviz_node`: see `nodes/rviz/node.py`."""

import sys

from mono_depth_ros.startup import node_main

main = node_main("mono_depth_ros.nodes.rviz.node")

if __name__ == "__main__":
    sys.exit(main())
