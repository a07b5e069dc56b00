# SPDX-License-Identifier: Apache-2.0
"""NYU Depth v2 (Silberman et al. 2012): the 654 test images of the Eigen split, or any folder of such frames.

Layouts:
    - `nyudepthv2_test_files_with_gt.txt` beside folders of scenes with rgb_00045.jpg and sync_depth_00045.png, as BTS,
      AdaBins and Metric3D have it; the list may be given by --split.
    - rgb/ and depth/ with pairs of the same name or number.

Depth is 16 bit, 1000 numbers a metre, 0 and 65535 unknown. The camera is that of the toolbox of the data set
(`camera_params.m`).
"""

from __future__ import annotations

from mono_depth_ros.datasets.dataset import DataSet, Item
from mono_depth_ros.datasets.files import Wanted, not_found, pair_folders, pair_list
from mono_depth_ros.datasets.protocols import Protocol
from mono_depth_ros.errors import DataError
from mono_depth_ros.geometry.camera import Camera

CAMERA = Camera(640, 480, 518.85790117450188, 519.46961112127485, 325.58244941119034, 253.73616633400465)
PROTOCOL = Protocol("nyu", "eigen", 1e-3, 10.0)
LIST = "nyudepthv2_test_files_with_gt.txt"


def read(wanted: Wanted) -> DataSet:
    """See above. Raises DataError for a folder in no such layout."""
    folder, notes = wanted.folder, []
    split = wanted.split or folder / LIST
    if folder.suffix == ".mat" or (folder / "nyu_depth_v2_labeled.mat").is_file():
        raise DataError(
            f"{folder} holds the labeled data set as one HDF5 file, expected its images unpacked into rgb/ and depth/"
        )
    if wanted.split or split.is_file():
        pairs, without = pair_list(split, [folder], [folder])
        layout = f"list {split.name}"
        notes += [f"{without} images of {split.name} have no ground truth, as it says itself"] if without else []
    elif (folder / "rgb").is_dir():
        pairs = pair_folders(folder / "rgb", folder / "depth")
        layout = "rgb/ and depth/"
    else:
        raise not_found(folder, f"{LIST} (or --split FILE), or folders rgb/ and depth/")
    return DataSet(
        name="nyu",
        layout=layout,
        items=tuple(Item(name, rgb, truth, CAMERA) for name, rgb, truth in pairs.found),
        missing=tuple(pairs.missing),
        depth_scale=wanted.depth_scale or 1000.0,
        protocol=PROTOCOL,
        camera="fx 518.86, fy 519.47, cx 325.58, cy 253.74, of the data set's toolbox",
        notes=tuple(notes),
    )
