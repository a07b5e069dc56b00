# SPDX-License-Identifier: Apache-2.0
"""`python -m mono_depth_ros.nodes.camera_node`: see `nodes/sources/camera_node.py`."""

import sys

from mono_depth_ros.startup import importing

with importing(last_words=""):
    from mono_depth_ros.nodes.sources.camera_node import main

if __name__ == "__main__":
    sys.exit(main())
