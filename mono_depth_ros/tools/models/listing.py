# SPDX-License-Identifier: Apache-2.0
"""`mono_depth models list` and `info NAME`: what can be loaded by name, under which licence, and what is here."""

from __future__ import annotations

import argparse
import json
from typing import Any

from mono_depth_ros.cache import sha256
from mono_depth_ros.errors import ModelError
from mono_depth_ros.models.base import find
from mono_depth_ros.models.catalogue import CATALOGUE, CatalogueEntry
from mono_depth_ros.models.weights.cache import find_snapshot, repository_folder
from mono_depth_ros.paths import expanded
from mono_depth_ros.prediction import DepthKind

COMMERCIAL = {True: "yes", False: "no", None: "not stated"}


def run(args: argparse.Namespace) -> int:
    """Print the catalogue or one entry of it; 0.

    Raises:
        ModelError: the name is unknown.
    """
    if args.action == "info":
        adapted = adapted_model(args.name)
        known = describe(entry_of(args.name)) if adapted is None else adapted
        text = in_words(known) if adapted is None else "\n".join(f"{name:16}{value}" for name, value in known.items())
        print(json.dumps(known) if args.json else text)
    elif args.markdown:
        print(table_markdown())
    else:
        rows = [describe(entry) for entry in CATALOGUE.values() if chosen(entry, args.metric, args.commercial)]
        print(json.dumps(rows) if args.json else table(rows))
    return 0


def chosen(entry: CatalogueEntry, metric: bool, commercial: bool) -> bool:
    """Whether a list of metric models, of models for commercial use, or of both has this one."""
    return (entry.kind == "metric" or not metric) and (entry.commercial is True or not commercial)


def entry_of(name: str) -> CatalogueEntry:
    """The catalogue's entry.

    Raises:
        ModelError: there is none; names what comes close.
    """
    entry = find(name)
    if entry is None:
        raise ModelError(f"'{name}' is not in the catalogue: `mono_depth models list` shows what is")
    return entry


def adapted_model(name: str) -> dict[str, Any] | None:
    """What a directory that `mono_depth adapt` made says of itself; None for anything else.

    Raises:
        ModelError: its config.json cannot be read.
    """
    folder = expanded(name)
    if find(name) is not None or not folder.is_dir() or not (folder / "config.json").is_file():
        return None
    from mono_depth_ros.models.weights.files import WHOLE, read_json  # with torch, which the catalogue does without

    values = read_json(folder / "config.json")
    if "base_sha256" not in values:
        return None
    facts = {key: values.get(key) for key in ("family", "kind", "base", "base_sha256", "licence")}
    weights = folder / WHOLE
    size = {"megabytes": round(weights.stat().st_size / 1e6, 1), "sha256": sha256(weights)} if weights.is_file() else {}
    return {"name": name, **facts, **size, "path": str(folder.resolve())}


def describe(entry: CatalogueEntry) -> dict[str, Any]:
    """An entry as plain values, ready for JSON; `cached` is true where the weights need no network."""
    path = find_snapshot(entry.hub, entry.revision, entry.hub_file) if entry.hub else None
    return {
        "name": entry.name,
        "family": entry.family,
        "kind": entry.kind,
        "max_depth_m": entry.max_depth_m,
        "video": entry.video,
        "needs_camera": entry.needs_camera,
        "needs_prompt": entry.needs_prompt,
        "reads": entry.reads,
        "parameters_m": entry.parameters_m,
        "gflop": entry.gflop,
        "megabytes": round(entry.megabytes, 1),
        "licence": entry.licence,
        "commercial": entry.commercial,
        "hub": entry.hub,
        "revision": entry.revision,
        "sha256": entry.files,
        "checked": entry.checked,
        "official": entry.official,
        "cached": path is not None or not entry.hub,
        "path": None if path is None else str(path / entry.hub_file),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Aligned columns with a heading, at most 120 wide; what a licence has in brackets stands below, under a star."""
    lines = [("name", "kind", "licence", "commercial", "MB", "cached", "checked")]
    notes: dict[str, None] = {}  # a set that keeps its order
    for row in rows:
        here = "shipped" if not row["hub"] else "yes" if row["cached"] else "no"
        kind = kind_of(row).replace(" up", "")
        if row["kind"] != DepthKind.METRIC.value:
            kind = "relative" if DepthKind(row["kind"]).inverse else f"relative, {row['kind']}"
        licence, bracket, note = row["licence"].partition(" (")
        if bracket:
            licence = f"{licence}*"
            notes[f"* {note.removesuffix(')')}"] = None
        lines.append(
            (row["name"], kind, licence, COMMERCIAL[row["commercial"]], f"{row['megabytes']:.0f}", here, row["checked"])
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    aligned = [
        "  ".join(
            cell.rjust(width) if column == 4 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*aligned, *notes])


def kind_of(row: dict[str, Any]) -> str:
    """What the output means, in words, and of a video model that it is one."""
    return f"{_kind_of(row)}, video" if row["video"] else _kind_of(row)


def _kind_of(row: dict[str, Any]) -> str:
    if row["kind"] != "metric":
        return DepthKind(row["kind"]).words
    return "metric" if row["max_depth_m"] is None else f"metric up to {row['max_depth_m']:g} m"


def in_words(known: dict[str, Any]) -> str:
    """An entry for eyes, one line a fact."""
    digests = "\n".join(f"{'':16}{value}  {name}" for name, value in known["sha256"].items()).lstrip()
    if not known["hub"]:
        where = "ships with the package"
    elif known["cached"]:
        where = known["path"]
    else:
        where = f"no; `mono_depth models fetch {known['name']}` puts it into {repository_folder(known['hub'])}"
    bound = "none" if known["max_depth_m"] is None else f"{known['max_depth_m']:g} m"
    facts = {
        "name": known["name"],
        "family": known["family"],
        "kind": kind_of(known | {"max_depth_m": None}),
        "max depth": bound if known["kind"] == "metric" else "-",
        "focal length": "needed" if known["needs_camera"] else "not used",
        "known depths": "needed, as a prompt" if known["needs_prompt"] else "not used",
        "reads": known["reads"],
        "parameters": f"{known['parameters_m']:g} M",
        "per image": "not known" if known["gflop"] is None else f"{known['gflop']:g} GFLOP",
        "size": f"{known['megabytes']:g} MB",
        "licence": known["licence"],
        "commercial": COMMERCIAL[known["commercial"]],
        "hub": known["hub"] or "-",
        "revision": known["revision"] or ("not known, the newest is fetched" if known["hub"] else "-"),
        "checked": f"{known['checked']} of the weights, whenever they are loaded by this name",
        "SHA-256": digests or ("not known" if known["hub"] else "-"),
        "official file": f"{known['official']}, by its path" if known["official"] else "-",
        "cached": where,
    }
    return "\n".join(f"{name:16}{value}" for name, value in facts.items())


def table_markdown() -> str:
    """The table of docs/models.md, made from the catalogue alone."""
    lines = ["| name | kind | size | GFLOP | licence | focal length | hub |", "|---|---|--:|--:|---|---|---|"]
    for entry in CATALOGUE.values():
        row = describe(entry)
        hub = f"[{row['hub']}](https://huggingface.co/{row['hub']})" if row["hub"] else "ships with the package"
        gflop = "" if row["gflop"] is None else f"{row['gflop']:.3g}" if row["gflop"] < 100 else f"{row['gflop']:.0f}"
        cells = (
            f"`{row['name']}`",
            kind_of(row),
            f"{row['megabytes']:.0f} MB",
            gflop,
            row["licence"],
            "needed" if row["needs_camera"] else "not used",
            hub,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
