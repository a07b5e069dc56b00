# SPDX-License-Identifier: Apache-2.0
"""Models by name: what is known of each before it is loaded. Data alone, which needs nothing else of the package.

Commits and SHA-256 of published weights are here as far as a public source states them, none is computed or guessed.
Sources, by the letters below:
A  github.com/TUI-NICR/nicr-scene-analysis-datasets, `src/nicr_scene_analysis_datasets/auxiliary_data/depth_estimation/
   hugging_face.py`: commits, and digests that its authors check after every download.
B  github.com/datamarkin/mozo, `tools/fetch/depth_anything_v2.py`: digests of the authors' .pth files, read from the
   hub's own interface; those of vits, vitb, vitl and metric_hypersim_vits also in several other repositories.
C  github.com/skulitom/haltere, README, and github.com/prat-amaze/FloorFathom, list of models: commit and digests.
D  the same commit in three or more unrelated public repositories that pin it, the digest in two or more.
"""

from __future__ import annotations

from dataclasses import dataclass, field

COMMITS = {
    "depth-anything/Depth-Anything-V2-Small-hf": "5426e4f0f36572d16453bbda7a8389317b1bef99",  # C, D
    "depth-anything/Depth-Anything-V2-Base-hf": "b1958afc87fb45a9e3746cb387596094de553ed8",  # D
    "depth-anything/Depth-Anything-V2-Large-hf": "7581137eff8d4e94f6e796d3baea0e9fa79b22d2",  # D
    "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf": "8078d68a9c75a972131914f6afd0c1723be0da7f",  # A, C, D
    "depth-anything/Depth-Anything-V2-Metric-Indoor-Base-hf": "c6d9784685727bfc6d0a7b5452ce94afaee1e7f5",  # A
    "depth-anything/Depth-Anything-V2-Metric-Indoor-Large-hf": "d2fc6a93601aabb1139a3bf0ebfcb4e89c67817f",  # A
    "depth-anything/Depth-Anything-V2-Metric-Outdoor-Small-hf": "fd2c22027eaf20374204f14099b8341e1925ad39",  # A, D
    "depth-anything/Depth-Anything-V2-Metric-Outdoor-Base-hf": "5b575fded0346068343a6d96d0ce3ab6dbc9fb49",  # A
    "depth-anything/Depth-Anything-V2-Metric-Outdoor-Large-hf": "4eab4cf1983c2801c515804005214de56a4b67cc",  # A
    "Intel/zoedepth-nyu": "52ae69caf7896c927909b3ceab4249c235e16dc1",  # A
    "Intel/zoedepth-kitti": "0347db85b019f309d5544c70ad2ac998ad570899",  # A
    "Intel/zoedepth-nyu-kitti": "f364d4c7936e91f465abba182208dd68142bf0ca",  # A, D
    "apple/DepthPro-hf": "de816c8ce7168afcb231f96d501d72b869d0beda",  # D
    "JUGGHM/Metric3D": "80d2d1410afb4b23cd9d18c6be9144483d4b70b6",  # D
}
"""The commit that is fetched, by hub repository. For those that are not here the newest is."""

HUB_FILES = {
    "depth-anything/Depth-Anything-V2-Small-hf": {
        "config.json": "c56698d3643dde1f83ea2212759e6b31a22b8f827246a36dd007ee8a22b3ff75",  # D
        "model.safetensors": "3152477ce0d8d6978d76b995120de97cb5b928701fd0f817769f59e249a16b70",  # C, D
    },
    "depth-anything/Depth-Anything-V2-Large-hf": {
        "model.safetensors": "4e01e34ed5549b529b70b92d53226bc370f03041977b390d3dde45d47f516cf9",  # D
    },
    "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf": {
        "config.json": "0b1d9fc591693d16b864249a9cfcf5264c8c00be999c1643fa1c64dc105d55f8",  # C, D
        "model.safetensors": "e990eb82fbf11b05b7813261196a2b841bdcf5a05f64396724a8987fa90504a3",  # A, C, D
    },
    "depth-anything/Depth-Anything-V2-Metric-Indoor-Base-hf": {
        "model.safetensors": "8b902f5d9a8c8a9520f3a8c6a00afe442b464eff5aaf0cb405d1da721cd9f79f",  # A
    },
    "depth-anything/Depth-Anything-V2-Metric-Indoor-Large-hf": {
        "model.safetensors": "04d3295ff4f9cbee72b8998a85930fe870b45ba4431e7af47415fbded02388ca",  # A
    },
    "depth-anything/Depth-Anything-V2-Metric-Outdoor-Small-hf": {
        "model.safetensors": "ad065c77a7421ca55159a1f0db9433397a607690f2d76bb8a6fc54b1be7a3124",  # A, D
    },
    "depth-anything/Depth-Anything-V2-Metric-Outdoor-Base-hf": {
        "model.safetensors": "1f2e9ed13ee39126686994669f8d1bfd9cd8f093a4d2a0891e5a0e5263b480c9",  # A
    },
    "depth-anything/Depth-Anything-V2-Metric-Outdoor-Large-hf": {
        "model.safetensors": "15f7de4b22f1b1194847ea694ee9ed6395563ba5cd52b70b87901f183c232c9a",  # A
    },
    "Intel/zoedepth-nyu": {
        "model.safetensors": "b616e347efc30e64822be28d2464c2fcd0b665b5fdbc9a135d53d168c31c77ab",  # A
    },
    "Intel/zoedepth-kitti": {
        "model.safetensors": "8427d1e398736f909cc7432276981417b2e7ec698b4d70786022142def78fe38",  # A
    },
    "Intel/zoedepth-nyu-kitti": {
        "model.safetensors": "c5494fa0938f18d71e215e245472470c3aefebd7b434abd89750e5ae4008e2dc",  # A, D
    },
}

OFFICIAL_FILES = {  # B where nothing else is said
    "depth_anything_v2_vits.pth": "715fade13be8f229f8a70cc02066f656f2423a59effd0579197bbf57860e1378",
    "depth_anything_v2_vitb.pth": "0d2b7002e62d39d655571c371333340bd88f67ab95050c03591555aa05645328",
    "depth_anything_v2_vitl.pth": "a7ea19fa0ed99244e67b624c72b8580b7e9553043245905be58796a608eb9345",
    "depth_anything_v2_metric_hypersim_vits.pth": "b782898d8a3e8be1f639de33837ed85e9b4b73e40f8f5e5cd99067588d722545",
    "depth_anything_v2_metric_hypersim_vitb.pth": "9dc9e274c5eff55c6daf27b660c0ced0eca4e8593a6da90cdcb04d2b4d3f3fa2",
    "depth_anything_v2_metric_hypersim_vitl.pth": "6f82ff2bc543ac02ddff4aa31fa363676a8305dd3ccf04e80e2af115a044cb6d",
    "depth_anything_v2_metric_vkitti_vits.pth": "9203e538d35255c90dda4b7fedb47ff33fe725497bcca3b1e53b3a65ee63f0cb",
    "depth_anything_v2_metric_vkitti_vitb.pth": "4dad67a7cc10b462bca48e6b8569c762b8eb3c1adada170a3851a6d3ba37bb3e",
    "depth_anything_v2_metric_vkitti_vitl.pth": "239b1054a369e66da2576e9a118d6d7c12d90dc8ebe609579a9a09cd8e05fe38",
    "metric_depth_vit_small_800k.pth": "b34b2a2be9148054991cef7e417930e1320602ba7bc503b0ee4e7888543728f6",  # D
    "metric_depth_vit_large_800k.pth": "15328ffc42b528b95f188687418f6f03b3f123eb34ccdbd686c112abbea6d972",  # D
}


@dataclass(frozen=True)
class CatalogueEntry:
    """One model of the catalogue.

    Attributes:
        name: that it is asked for by.
        family: whose module in `families` loads it.
        kind: of its output, a value of `DepthKind`.
        licence: of the weights, as an SPDX name or in words.
        parameters_m: its size in millions of parameters.
        gflop: of one image at the network's nominal size (a multiply-add is two), None where not measured.
        reads: at which size it reads an image, in words.
        max_depth_m: the largest depth a metric head can give, None where there is no such bound.
        needs_camera: True where the intrinsics change the result.
        confidence: True where its predictions have a confidence. normals: likewise.
        needs_prompt: True where it takes known depths beside the image.
        video: True where its depth follows from the images before too.
        size: small, base or large, where a family has these.
        hub: hub repository of the weights, "" where they are shipped.
        hub_file: the one file of the hub repository that is the checkpoint; "" for one in the format of transformers.
        revision: commit of the hub repository that is fetched; "" is its newest.
        official: file name of the authors' own checkpoint, which can be loaded by its path too; "" for none.
        files: SHA-256 of files by their names, of those that are known; the hub's and the official one.
    """

    name: str
    family: str
    kind: str
    licence: str
    parameters_m: float
    gflop: float | None
    reads: str
    max_depth_m: float | None = None
    needs_camera: bool = False
    confidence: bool = False
    normals: bool = False
    needs_prompt: bool = False
    video: bool = False
    size: str = ""
    hub: str = ""
    hub_file: str = ""
    revision: str = ""
    official: str = ""
    files: dict[str, str] = field(default_factory=dict)

    @property
    def megabytes(self) -> float:
        """Approximate size of the weights, float32 except those of `tiny`, which are float16."""
        return self.parameters_m * (4 if self.hub else 2)

    @property
    def checked(self) -> str:
        """What of the weights is compared with the catalogue when they are loaded by this name."""
        if not self.hub:
            return "shipped"
        known = self.hub_file or "model.safetensors"
        size = "shapes" if self.size else "number"
        return "SHA-256" if known in self.files else f"commit, {size}" if self.revision else size

    @property
    def commercial(self) -> bool | None:
        """Whether the licence of the weights allows commercial use; None where none is stated for them."""
        if "none is stated" in self.licence:
            return None
        return self.licence in ("Apache-2.0", "MIT")


_TINY = CatalogueEntry("tiny", "tiny", "metric", "Apache-2.0", 1.39, 1.27, "about 256x192", needs_camera=True)

_SIZES = {"small": (24.8, 115.0, "vits"), "base": (97.5, 381.0, "vitb"), "large": (335.3, 1304.0, "vitl")}
_SCENES = {"": ("", None), "indoor": ("metric_hypersim_", 20.0), "outdoor": ("metric_vkitti_", 80.0)}


def _depth_anything(scene: str, size: str) -> CatalogueEntry:
    """Depth Anything V2, https://github.com/DepthAnything/Depth-Anything-V2."""
    metric = f"metric_{scene}_" if scene else ""
    training, max_depth_m = _SCENES[scene]
    parameters_m, gflop, encoder = _SIZES[size]
    hub = f"depth-anything/Depth-Anything-V2-{metric.title().replace('_', '-')}{size.title()}-hf"
    official = f"depth_anything_v2_{training}{encoder}.pth"
    digest = {official: OFFICIAL_FILES[official]} if official in OFFICIAL_FILES else {}
    return CatalogueEntry(
        f"depth_anything_v2_{metric}{size}",
        "depth_anything_v2",
        "metric" if scene else "inverse_affine",
        "Apache-2.0" if size == "small" else "CC-BY-NC-4.0",
        parameters_m,
        gflop,
        "shorter side 518, sides to multiples of 14",
        max_depth_m,
        size=size,
        hub=hub,
        revision=COMMITS.get(hub, ""),
        official=official,
        files={**HUB_FILES.get(hub, {}), **digest},
    )


_READS = {
    "zoedepth": "padded by reflection, about 512x384, sides to multiples of 32",
    "dpt": "384x384",
    "glpn": "as it is, sides down to multiples of 32",
    "depth_pro": "1536x1536",
}


def _transformers(
    name: str, hub: str, licence: str, parameters_m: float, gflop: float, max_depth_m: float | None = None
) -> CatalogueEntry:
    """A model whose network is that of `transformers`."""
    family = next(family for family in _READS if name.startswith(family))
    return CatalogueEntry(
        name,
        family,
        "inverse_affine" if family == "dpt" else "metric",
        licence,
        parameters_m,
        gflop,
        _READS[family],
        max_depth_m,
        needs_camera=family == "depth_pro",
        hub=hub,
        revision=COMMITS.get(hub, ""),
        files=HUB_FILES.get(hub, {}),
    )


def _depth_anything_3(name: str, kind: str, hub: str, parameters_m: float, gflop: float) -> CatalogueEntry:
    """Depth Anything 3, https://github.com/ByteDance-Seed/Depth-Anything-3."""
    return CatalogueEntry(
        f"depth_anything_3_{name}",
        "depth_anything_3",
        kind,
        "Apache-2.0",
        parameters_m,
        gflop,
        "longer side 504, in two steps, sides to multiples of 14",
        needs_camera=kind == "metric",
        confidence=kind == "scale",
        size=name.rpartition("_")[2],
        hub=f"depth-anything/{hub}",
    )


def _moge(size: str, encoder: str, parameters_m: float, gflop: float | None) -> CatalogueEntry:
    """MoGe-2 with normals, https://github.com/microsoft/MoGe."""
    return CatalogueEntry(
        f"moge_2_{size}",
        "moge_2",
        "metric",
        "MIT (the code's; none is stated for the weights)",
        parameters_m,
        gflop,
        "about 3600 patches of 14x14",
        needs_camera=True,
        normals=True,
        hub=f"Ruicheng/moge-2-{encoder}-normal",
        hub_file="model.pt",
    )


def _unidepth(size: str, encoder: str, parameters_m: float, gflop: float | None) -> CatalogueEntry:
    """UniDepthV2, https://github.com/lpiccinelli-eth/UniDepth."""
    return CatalogueEntry(
        f"unidepth_v2_{size}",
        "unidepth_v2",
        "metric",
        "CC-BY-NC-4.0",
        parameters_m,
        gflop,
        "0.2 to 0.6 million pixels, sides up to multiples of 14",
        needs_camera=True,
        confidence=True,
        hub=f"lpiccinelli/unidepth-v2-{encoder}14",
    )


def _prompt_depth_anything(name: str, encoder: str, size: str, parameters_m: float, gflop: float) -> CatalogueEntry:
    """Prompt Depth Anything, https://github.com/DepthAnything/PromptDA."""
    return CatalogueEntry(
        f"prompt_depth_anything_{name}",
        "prompt_depth_anything",
        "metric",
        "Apache-2.0 (the code's; none is stated for the weights)",
        parameters_m,
        gflop,
        "longer side up to 1008, sides down to multiples of 14; the prompt on a grid of longer side 256",
        confidence=True,
        needs_prompt=True,
        size=size,
        hub=f"depth-anything/prompt-depth-anything-{encoder}",
        hub_file="model.ckpt",
    )


def _video_depth_anything(kind: str, size: str) -> CatalogueEntry:
    """Video Depth Anything, https://github.com/DepthAnything/Video-Depth-Anything."""
    encoder, parameters_m, gflop = {
        "small": ("vits", 29.0, 124.0),
        "base": ("vitb", 114.4, 408.0),
        "large": ("vitl", 384.4, 1407.0),
    }[size]
    official = f"{kind}video_depth_anything_{encoder}.pth"
    return CatalogueEntry(
        f"video_depth_anything_{kind}{size}",
        "video_depth_anything",
        "metric" if kind else "inverse_affine",
        "Apache-2.0" if size == "small" else "CC-BY-NC-4.0",
        parameters_m,
        gflop,
        "shorter side 518, that of longer images than 16:9 less, sides to multiples of 14",
        video=True,
        size=size,
        hub=f"depth-anything/{'Metric-' if kind else ''}Video-Depth-Anything-{size.title()}",
        hub_file=official,
        official=official,
    )


def _metric3d(size: str, official: str, parameters_m: float, gflop: float) -> CatalogueEntry:
    """Metric3D v2, https://github.com/YvanYin/Metric3D."""
    return CatalogueEntry(
        f"metric3d_v2_{size}",
        "metric3d_v2",
        "metric",
        "BSD-2-Clause (the code's; none is stated for the weights)",
        parameters_m,
        gflop,
        "padded to 1064x616",
        needs_camera=True,
        confidence=True,
        normals=True,
        size=size,
        hub="JUGGHM/Metric3D",
        hub_file=official,
        revision=COMMITS["JUGGHM/Metric3D"],
        official=official,
        files={official: OFFICIAL_FILES[official]} if official in OFFICIAL_FILES else {},
    )


CATALOGUE: dict[str, CatalogueEntry] = {
    entry.name: entry
    for entry in (
        _TINY,
        *(_depth_anything(scene, size) for scene in _SCENES for size in _SIZES),
        _transformers("zoedepth_nyu", "Intel/zoedepth-nyu", "MIT", 343.8, 717.0, 10.0),
        _transformers("zoedepth_kitti", "Intel/zoedepth-kitti", "MIT", 343.8, 717.0, 80.0),
        _transformers("zoedepth_nyu_kitti", "Intel/zoedepth-nyu-kitti", "MIT", 345.1, 712.0),
        _transformers("dpt_large", "Intel/dpt-large", "Apache-2.0", 343.0, 516.0),
        _transformers("dpt_hybrid", "Intel/dpt-hybrid-midas", "Apache-2.0", 122.4, 255.0),
        _transformers("glpn_nyu", "vinvino02/glpn-nyu", "Apache-2.0", 61.2, 157.0, 10.0),
        _transformers("glpn_kitti", "vinvino02/glpn-kitti", "Apache-2.0", 61.2, 157.0, 80.0),
        # 304 M of its parameters guess the focal length, which is known here: they are fetched but not run.
        _transformers("depth_pro", "apple/DepthPro-hf", "apple-amlr", 952.0, 18865.0),
        _depth_anything_3("metric_large", "metric", "DA3METRIC-LARGE", 334.2, 902.0),
        _depth_anything_3("mono_large", "affine", "DA3MONO-LARGE", 334.2, 902.0),
        # Of these 7.2 and 28.7 M of the parameters take known poses, .9 and 3.7 M tell rays: fetched but not run.
        _depth_anything_3("small", "scale", "DA3-SMALL", 34.3, 75.0),
        _depth_anything_3("base", "scale", "DA3-BASE", 135.4, 256.0),
        _moge("small", "vits", 35.0, 1311.0),
        _moge("base", "vitb", 104.0, None),
        _moge("large", "vitl", 331.0, None),
        _unidepth("small", "vits", 34.2, 232.0),
        _unidepth("base", "vitb", 114.4, 615.0),
        _unidepth("large", "vitl", 353.8, None),
        _prompt_depth_anything("small", "vits", "small", 25.1, 137.0),
        _prompt_depth_anything("small_transparent", "vits-transparent", "small", 25.1, 137.0),
        _prompt_depth_anything("large", "vitl", "large", 340.0, 1546.0),
        *(_video_depth_anything(kind, size) for kind in ("", "metric_") for size in _SIZES),
        _metric3d("small", "metric_depth_vit_small_800k.pth", 37.5, 636.0),
        _metric3d("large", "metric_depth_vit_large_800k.pth", 411.9, 5772.0),
        _metric3d("giant", "metric_depth_vit_giant2_800k.pth", 1377.7, 16206.0),
    )
}
