# SPDX-License-Identifier: Apache-2.0
"""`mono_depth image`: depth of image files, by the same pipeline as the node's."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from mono_depth_ros.config import (
    AlignConfig,
    BagConfig,
    DepthConfig,
    ImageConfig,
    ModelConfig,
    OfflineStereoConfig,
    ReferenceConfig,
)
from mono_depth_ros.errors import SENTENCE, shown
from mono_depth_ros.media import CAMERA_HELP
from mono_depth_ros.startup import importing
from mono_depth_ros.tools.options import add_options, config_from
from mono_depth_ros.tools.parser import add_alias, path

REFERENCE_OPTIONS = ("reference_min", "reference_max", "reference_samples", "occlusion_window", "occlusion_ratio")
"""The fields of ReferenceConfig that matter to files."""


IMAGE_OPTIONS = ("max_image_pixels", "image_bits")
"""Those of ImageConfig: a file has no format field that could contradict it."""


EMPTY = {
    "npy": "not one pixel of the depth is known",
    "png16": "no depth is between 0.5 mm and 65.535 m, which is all that 16 bits of millimetres hold",
    "ply": "the cloud has no point",
}
"""Why a result file has no depth in it, by the name of its flag."""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand `image`; its options about model and depth are the fields of ModelConfig and DepthConfig."""
    parser = subparsers.add_parser(
        "image",
        help="depth of image files, a video or a webcam: arrays, 16-bit PNG, point clouds, pictures, videos, bags",
        description="For each image, write OUT/NAME.npy: float32 (H, W) at the size of the image, metres along the "
        "optical axis (NaN unknown, inf sky or beyond range), or what a relative model gives. With "
        "--reference or --right the depth is aligned with known depths first, and a relative model gives metres too. "
        "With --camera a picture stays as it is stored, since a calibration describes it as the sensor delivered it; "
        "without, it is turned upright as its orientation tag says, and where a camera is needed it is that of --hfov "
        "or is estimated by the focal length in the Exif tags, with a warning. "
        "Of a video file or a webcam (webcam, webcam:1, /dev/video1 or 1, until Ctrl-C) every image is used: --out "
        "NAME.mp4 is a video with the picture on the left and the colours of its depth on the right, NAME.mcap a "
        "recording with image_raw, camera_info and depth, to which --ply adds points, --color colours and --png16 "
        "millimetres, and any other name a folder with the files of each image. A video that is to be shown turned is.",
        examples=(
            "mono_depth image photo.jpg --model depth_anything_v2_metric_indoor_small --out out --color",
            "mono_depth image frames/ --model tiny --camera camera.yaml --out out --ply",
        ),
        config_file=True,
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="image file, folder, or pattern in quotes; or one video file or webcam"
    )
    parser.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        help="The results go into this folder, of a video also into NAME.mp4, .avi or .mcap; without --measure it is "
        "needed.",
    )
    parser.add_argument("--camera", metavar="CAMERA", help=f"The camera: {CAMERA_HELP}.")
    add_options(parser, BagConfig, ("hfov",))
    parser.add_argument(
        "--rectified", action="store_true", help="The images are rectified: P of the calibration is used."
    )
    parser.add_argument(
        "--npy", action=argparse.BooleanOptionalAction, default=True, help="Write NAME.npy (default: yes)."
    )
    parser.add_argument("--png16", action="store_true", help="Also write NAME.png, 16-bit millimetres, 0 unknown.")
    parser.add_argument("--ply", action="store_true", help="Also write NAME.ply, the coloured point cloud.")
    parser.add_argument("--color", action="store_true", help="Also write NAME_color.png, a picture for eyes.")
    parser.add_argument(
        "--measure",
        action="append",
        default=[],
        metavar="U1,V1,U2,V2",
        help="Print the distance in space between two pixels (column,row,column,row); may be given several times.",
    )
    add_options(parser, ImageConfig, IMAGE_OPTIONS)
    parser.add_argument("--json", action="store_true", help="Print one line of JSON a file on stdout.")
    _add_reference_options(parser.add_argument_group("alignment"))
    _add_stereo_options(parser.add_argument_group("stereo"))
    add_options(parser.add_argument_group("model"), ModelConfig)
    add_options(parser.add_argument_group("depth and cloud"), DepthConfig)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Work through the files: one that fails is told and the rest is done. 0 when all went well.

    Raises:
        MonoDepthError: nothing could be started, or (after the last file) how many failed.
    """
    from mono_depth_ros.media.sequences import is_video

    if any(map(is_video, args.inputs)):
        with importing():
            from mono_depth_ros.tools import video
        return video.run(args)
    config, model_config = config_from(args, DepthConfig), config_from(args, ModelConfig)
    align_config = config_from(args, AlignConfig)
    reference_config = config_from(args, ReferenceConfig, REFERENCE_OPTIONS)
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    from mono_depth_ros.errors import DataError, FrameError
    from mono_depth_ros.streams.reasons import Reasons

    with importing():
        from mono_depth_ros.tools import image_files
        from mono_depth_ros.tools.measure import in_words

    images = config_from(args, ImageConfig, IMAGE_OPTIONS)
    stereo = config_from(args, OfflineStereoConfig)
    job = image_files.Job.prepare(args, config, model_config, align_config, reference_config, images, stereo)
    failed, empty = Reasons(), dict.fromkeys(job.kinds, 0)
    # Lines of errors and warnings must not tear the bar: tqdm moves it out of the way.
    with (
        logging_redirect_tqdm(),
        tqdm(job.files, unit="image", file=sys.stderr, dynamic_ncols=True, desc="depth", disable=None) as bar,
    ):
        for path, name in zip(bar, job.names, strict=True):
            try:
                result = job.process(path, name)
            except (FrameError, DataError) as error:
                text = str(error) if str(path) in str(error) else f"{path}: {error}"
                failed.add(text, getattr(error, "reason", ""))
                tqdm.write(shown(text, SENTENCE), file=sys.stderr)
                result = {"file": str(path), "error": text}
            for kind in result.get("empty", ()):
                empty[kind] += 1
                tqdm.write(shown(f"{path}: {EMPTY[kind]}", SENTENCE), file=sys.stderr)
            for words in result.get("doubts", ()):
                tqdm.write(shown(f"{path}: {words}", SENTENCE), file=sys.stderr)
            if args.json:
                print(json.dumps(result, allow_nan=False), flush=True)
            for line in () if args.json else map(in_words, result.get("measured", ())):
                tqdm.write(f"{shown(path.name)}: {line}", file=sys.stdout)
    done = len(job.files) - len(failed)
    if failed:
        raise DataError(f"{len(failed)} of {len(job.files)} images failed: {failed.words(len(failed))}")
    if nothing := [kind for kind, count in empty.items() if count == done]:
        raise DataError("; ".join(f"--{kind}: {EMPTY[kind]}, in all of {done} images" for kind in nothing))
    return 0


def _add_reference_options(parser: Any) -> None:
    """The options of a reference and of the fit to it."""
    parser.add_argument(
        "--reference",
        type=path,
        metavar="PATH",
        help="Known depths fix scale and shift: a depth map of the size of the image (16-bit .png or .tif; .npy, "
        ".npz, .pfm, .exr or .tif of floating-point numbers; 0 and 65535 are unknown), a "
        "cloud (.bin of KITTI, .ply, .pcd), or a folder with one of these for each image, under the image's name.",
    )
    parser.add_argument(
        "--prompt",
        type=path,
        metavar="PATH",
        help="Known depths, files as for --reference, are the prompt of a model that takes one, such as "
        "prompt_depth_anything_small.",
    )
    parser.add_argument(
        "--reference-unit",
        type=float,
        metavar="M",
        help="A number of the depth map is so many metres (default: 0.001 for whole numbers, 1 for others).",
    )
    extrinsic = parser.add_argument(
        "--cam-from-reference",
        metavar="TEXT",
        help="'x y z qx qy qz qw' takes points of the cloud into the camera's optical frame, or a FILE.txt with the "
        "4x4 matrix does; it is needed with a cloud.",
    )
    add_alias(parser, extrinsic, "--extrinsic")
    parser.add_argument(
        "--overlay", action="store_true", help="Also write NAME_overlay.png, the reference's points over the image."
    )
    add_options(parser, AlignConfig)
    add_options(parser, ReferenceConfig, REFERENCE_OPTIONS)


def _add_stereo_options(parser: Any) -> None:
    """The options of a stereo pair: the inputs are its left images."""
    parser.add_argument(
        "--right",
        metavar="PATH",
        help="The right image of a stereo pair fixes the scale: a file, a folder, or a pattern in quotes, whose images "
        "go with the left ones by name (left and right apart) or by order.",
    )
    parser.add_argument(
        "--baseline", type=float, metavar="M", help="The right camera is this many metres to the right of the left one."
    )
    parser.add_argument(
        "--doffs",
        type=float,
        metavar="PX",
        help="The principal point of the right camera minus that of the left one, in x (default: 0, or of P).",
    )
    parser.add_argument(
        "--right-camera",
        metavar="FILE",
        help="The calibration of the right camera has the baseline in its P; with a calibration file for --camera both "
        "images are rectified by R and P, unless --rectified says that they are.",
    )
    add_options(parser, OfflineStereoConfig)
