# SPDX-License-Identifier: Apache-2.0
"""Models by name: what is known of each before it is loaded. The table of docs/models.md is made from this."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path

from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import ModelSpec
from mono_depth_ros.models.weights.hub import is_hub_name
from mono_depth_ros.models.weights.known_files import COMMITS, known_files
from mono_depth_ros.prediction import DepthKind

RELATIVE, METRIC = DepthKind.INVERSE_AFFINE, DepthKind.METRIC


@dataclass(frozen=True)
class CatalogueEntry:
    """One model of the catalogue.

    Attributes:
        spec: what it is.
        parameters_m: its size in millions of parameters.
        gflop: of one image at the network's nominal size (a multiply-add is two), None where not measured.
        reads: at which size it reads an image, in words.
        size: small, base or large, where a family has these.
        revision: commit of the hub repository that is fetched; "" is its newest.
        files: SHA-256 of files by their names, of those that are known; the hub's and the official one.
        official: file name of the authors' own checkpoint, which can be loaded by its path too; "" for none.
        hub_file: the one file of the hub repository that is the checkpoint; "" for one in the format of transformers.
    """

    spec: ModelSpec
    parameters_m: float
    gflop: float | None
    reads: str
    size: str = ""
    revision: str = ""
    files: dict[str, str] = field(default_factory=dict)
    official: str = ""
    hub_file: str = ""

    @property
    def megabytes(self) -> float:
        """Approximate size of the weights, float32 except those of `tiny`, which are float16."""
        return self.parameters_m * (4 if self.spec.hub else 2)


_SIZES = {"small": (24.8, 115.0, "vits"), "base": (97.5, 381.0, "vitb"), "large": (335.3, 1304.0, "vitl")}
_SCENES = {"": ("", None), "indoor": ("metric_hypersim_", 20.0), "outdoor": ("metric_vkitti_", 80.0)}


def _depth_anything(scene: str, size: str) -> CatalogueEntry:
    """Depth Anything V2, https://github.com/DepthAnything/Depth-Anything-V2."""
    metric = f"metric_{scene}_" if scene else ""
    training, max_depth_m = _SCENES[scene]
    parameters_m, gflop, encoder = _SIZES[size]
    spec = ModelSpec(
        name=f"depth_anything_v2_{metric}{size}",
        family="depth_anything_v2",
        kind=METRIC if scene else RELATIVE,
        licence="Apache-2.0" if size == "small" else "CC-BY-NC-4.0",
        max_depth_m=max_depth_m,
        hub=f"depth-anything/Depth-Anything-V2-{metric.title().replace('_', '-')}{size.title()}-hf",
    )
    official = f"depth_anything_v2_{training}{encoder}.pth"
    return CatalogueEntry(
        spec,
        parameters_m,
        gflop,
        "shorter side 518, sides to multiples of 14",
        size,
        COMMITS.get(spec.hub, ""),
        known_files(spec.hub, official),
        official,
    )


def _ported() -> list[CatalogueEntry]:
    """The families whose network is that of `transformers`: ZoeDepth, DPT, GLPN, Depth Pro."""
    reads = {
        "zoedepth": "padded by reflection, about 512x384, sides to multiples of 32",
        "dpt": "384x384",
        "glpn": "as it is, sides down to multiples of 32",
        "depth_pro": "1536x1536",
    }

    def entry(
        name: str, hub: str, licence: str, parameters_m: float, gflop: float, max_depth_m: float | None = None
    ) -> CatalogueEntry:
        family = next(family for family in reads if name.startswith(family))
        kind, needs_camera = (RELATIVE if family == "dpt" else METRIC), family == "depth_pro"
        spec = ModelSpec(name, family, kind, licence, max_depth_m, needs_camera, hub)
        return CatalogueEntry(
            spec,
            parameters_m,
            gflop,
            reads[family],
            revision=COMMITS.get(hub, ""),
            files=known_files(hub),
        )

    return [
        entry("zoedepth_nyu", "Intel/zoedepth-nyu", "MIT", 343.8, 717.0, 10.0),
        entry("zoedepth_kitti", "Intel/zoedepth-kitti", "MIT", 343.8, 717.0, 80.0),
        entry("zoedepth_nyu_kitti", "Intel/zoedepth-nyu-kitti", "MIT", 345.1, 712.0),
        entry("dpt_large", "Intel/dpt-large", "Apache-2.0", 343.0, 516.0),
        entry("dpt_hybrid", "Intel/dpt-hybrid-midas", "Apache-2.0", 122.4, 255.0),
        entry("glpn_nyu", "vinvino02/glpn-nyu", "Apache-2.0", 61.2, 157.0, 10.0),
        entry("glpn_kitti", "vinvino02/glpn-kitti", "Apache-2.0", 61.2, 157.0, 80.0),
        # 304 M of its parameters guess the focal length, which is known here: they are fetched but not run.
        entry("depth_pro", "apple/DepthPro-hf", "apple-amlr", 952.0, 18865.0),
    ]


def _metric3d() -> list[CatalogueEntry]:
    """Metric3D v2, https://github.com/YvanYin/Metric3D."""

    def entry(size: str, official: str, parameters_m: float, gflop: float) -> CatalogueEntry:
        spec = ModelSpec(
            name=f"metric3d_v2_{size}",
            family="metric3d_v2",
            kind=METRIC,
            licence="BSD-2-Clause (the code's; none is stated for the weights)",
            needs_camera=True,
            hub="JUGGHM/Metric3D",
            confidence=True,
            normals=True,
        )
        files = known_files("", official)
        reads = "padded to 1064x616"
        return CatalogueEntry(
            spec, parameters_m, gflop, reads, size, COMMITS[spec.hub], files, official, hub_file=official
        )

    return [
        entry("small", "metric_depth_vit_small_800k.pth", 37.5, 636.0),
        entry("large", "metric_depth_vit_large_800k.pth", 411.9, 5772.0),
        entry("giant", "metric_depth_vit_giant2_800k.pth", 1377.7, 16206.0),
    ]


def _entries() -> list[CatalogueEntry]:
    tiny = ModelSpec("tiny", "tiny", METRIC, "Apache-2.0", needs_camera=True)
    return [
        CatalogueEntry(tiny, 1.39, 1.27, "about 256x192"),
        *(_depth_anything(scene, size) for scene in _SCENES for size in _SIZES),
        *_ported(),
        *_metric3d(),
    ]


CATALOGUE: dict[str, CatalogueEntry] = {entry.spec.name: entry for entry in _entries()}


def find(name: str) -> CatalogueEntry | None:
    """The catalogue's entry, by its name or that of its hub repository; None for a path or another hub name.

    Raises:
        ModelError: it is none of these; names what comes close and what there is.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    if is_hub_name(name) and (found := [entry for entry in CATALOGUE.values() if entry.spec.hub == name]):
        if len(found) > 1:
            names = ", ".join(entry.spec.name for entry in found)
            raise ModelError(f"{name} holds several models, expected one of: {names}")
        return found[0]
    if name and _exists(name):
        return None
    if name.startswith(("/", ".", "~")) or name.endswith((".onnx", ".pth")):
        raise ModelError(f"model '{name}': there is no such file or directory")
    if is_hub_name(name):
        return None
    close = difflib.get_close_matches(name.lower().replace("-", "_"), CATALOGUE, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(close)}?" if close else "."
    raise ModelError(
        f"model '{name}' is not known{hint} Expected a checkpoint's path, a hub name organisation/repository, "
        f"or one of: {', '.join(CATALOGUE)}"
    )


def _exists(name: str) -> bool:
    try:
        return Path(name).expanduser().exists()
    except (OSError, RuntimeError, ValueError):  # too long, forbidden, the home of nobody, a null character
        return False


def list_models() -> list[ModelSpec]:
    """The models that `load_model` knows by name: `name`, `kind`, `licence` of the weights, `needs_camera`, ...; any
    other is given by its path or its hub name."""
    return [entry.spec for entry in CATALOGUE.values()]
