# SPDX-License-Identifier: Apache-2.0
"""The network of ZoeDepth from `transformers`, with parts replaced by others that compute the same.

They are written so that graphs can be exported for any image size, and so that an image's depth does not depend on
what else is in its batch.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn


def replace_parts(network: nn.Module) -> nn.Module:
    """Put the parts below into a ZoeDepthForDepthEstimation."""
    config: Any = network.config
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__ in _PARTS:
                setattr(module, name, _PARTS[type(child).__name__](child))
    if len(config.bin_configurations) > 1:
        network.metric_head = RoutedHeads(network.metric_head)
    return network


class RelativePositionBias(nn.Module):
    """What attention adds for the offset between two patches: a learned table, resampled to the image's grid.

    `BeitRelativePositionBias.forward` of `transformers` looks offsets up through one flat index; here it is rows and
    then columns, which holds for sizes that are not known yet.
    """

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.table = original.relative_position_bias_table
        self.rows, self.columns = (2 * side - 1 for side in original.window_size)

    def forward(self, grid: tuple[int, int], *_: Any, **__: Any) -> Tensor:
        """(1, heads, 1 + h w, 1 + h w) for a grid of h x w patches behind a class token."""
        height, width = grid
        # The table is learned at a square size; rows and columns are in this order in the reference.
        learned = self.table[:-3].reshape(1, self.columns, self.rows, -1).permute(0, 3, 1, 2)
        offsets = functional.interpolate(learned, size=(2 * height - 1, 2 * width - 1), mode="bilinear")[0]
        y, x = torch.arange(height, device=offsets.device), torch.arange(width, device=offsets.device)
        by_row = offsets[:, y[:, None] - y + height - 1]
        between = by_row[..., x[:, None] - x + width - 1].permute(0, 1, 3, 2, 4).flatten(3, 4).flatten(1, 2)
        from_class, to_class, class_itself = self.table[-3:, :, None, None].unbind(0)
        first = torch.cat((class_itself, from_class.expand(-1, 1, height * width)), dim=2)
        rest = torch.cat((to_class.expand(-1, height * width, 1), between), dim=2)
        return torch.cat((first, rest), dim=1)[None]


class Reassemble(nn.Module):
    """From the encoder's tokens to maps at four scales, the class token mixed in.

    `ZoeDepthReassembleStage` of `transformers` stacks the four along the batch and splits them again, which ties an
    exported graph to the batch it was traced with.
    """

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.layers, self.readout_type = original.layers, original.readout_type
        self.projects = original.readout_projects if self.readout_type == "project" else None

    def forward(self, hidden_states: list[Tensor], rows: int, columns: int) -> list[Tensor]:
        """Four (N, C, h, w) from four (N, 1 + rows columns, width)."""
        maps = []
        for index, (layer, tokens) in enumerate(zip(self.layers, hidden_states, strict=True)):
            first, patches = tokens[:, :1], tokens[:, 1:]
            if self.projects is not None:
                patches = self.projects[index](torch.cat((patches, first.expand_as(patches)), dim=-1))
            elif self.readout_type == "add":
                patches = patches + first
            maps.append(layer(patches.transpose(1, 2).unflatten(2, (rows, columns))))
        return maps


class RoutedHeads(nn.Module):
    """The metric heads for two domains, indoors and outdoors; each image takes the one its classifier votes for.

    `ZoeDepthMultipleMetricDepthEstimationHeads` of `transformers` sums the votes of a batch and sends all of it through
    one head: the same for a single image, but a camera indoors would change the depth of one outdoors.
    """

    def __init__(self, heads: Any) -> None:
        super().__init__()
        self.heads = heads

    def forward(
        self, outconv_activation: Tensor, bottleneck: Tensor, feature_blocks: list[Tensor], relative_depth: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Depth (N, 1, h, w) in metres and the votes (N, 2)."""
        heads = self.heads
        x = heads.conv2(bottleneck)
        votes = heads.mlp_classifier(heads.patch_transformer(x)[:, 0, :])
        choice = votes.argmax(dim=1)
        embeddings = [projector(block) for projector, block in zip(heads.projectors, feature_blocks, strict=False)]
        start = heads.seed_projector(x)
        depth = None
        for index, bins in enumerate(heads.bin_configurations):
            mine = choice == index
            # Elsewhere both are computed: a few percent of the network, and nothing waits for the answer.
            if x.device.type == "cpu" and not torch.compiler.is_compiling() and not bool(mine.any()):
                continue
            found = self._depth(bins, x, start, embeddings, outconv_activation)
            depth = found if depth is None else torch.where(mine[:, None, None, None], found, depth)
        assert depth is not None
        return depth, votes

    def _depth(self, bins: Any, x: Tensor, start: Tensor, embeddings: list[Tensor], features: Tensor) -> Tensor:
        heads, name = self.heads, bins["name"]
        _, centres = heads.seed_bin_regressors[name](x)
        if heads.bin_centers_type == "normed":
            centres = (centres - bins["min_depth"]) / (bins["max_depth"] - bins["min_depth"])
        previous, scaled = start, centres
        for attractor, embedding in zip(heads.attractors[name], embeddings, strict=True):
            centres, scaled = attractor(embedding, centres, previous, interpolate=True)
            previous = embedding
        size = features.shape[-2:]
        scaled = functional.interpolate(scaled, size, mode="bilinear", align_corners=True)
        embedding = functional.interpolate(previous, size, mode="bilinear", align_corners=True)
        return (heads.conditional_log_binomial[name](features, embedding) * scaled).sum(dim=1, keepdim=True)


_PARTS: dict[str, type[nn.Module]] = {
    "BeitRelativePositionBias": RelativePositionBias,
    "ZoeDepthReassembleStage": Reassemble,
}
