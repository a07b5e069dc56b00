# SPDX-License-Identifier: Apache-2.0
"""Commits and SHA-256 of published weights, as far as a public source states them. Nothing here is computed or guessed.

Sources, by the letters below:
A  github.com/TUI-NICR/nicr-scene-analysis-datasets, `src/nicr_scene_analysis_datasets/auxiliary_data/depth_estimation/
   hugging_face.py`: commits, and digests that its authors check after every download.
B  github.com/datamarkin/mozo, `tools/fetch/depth_anything_v2.py`: digests of the authors' .pth files, read from the
   hub's own interface; those of vits, vitb, vitl and metric_hypersim_vits also in several other repositories.
C  github.com/skulitom/haltere, README, and github.com/prat-amaze/FloorFathom, list of models: commit and digests.
D  the same commit in three or more unrelated public repositories that pin it, the digest in two or more.
"""

from __future__ import annotations

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

_HUB = {
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

_OFFICIAL = {  # B where nothing else is said
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


def known_files(hub: str, official: str = "") -> dict[str, str]:
    """SHA-256 by file name, of a hub repository's files at its commit and of the authors' own file."""
    files = dict(_HUB.get(hub, {}))
    if official in _OFFICIAL:
        files[official] = _OFFICIAL[official]
    return files
