# SPDX-License-Identifier: Apache-2.0
"""`prove.html`: one page with everything in it, which holds prove.json too, so that it can be sent by itself."""

from __future__ import annotations

import json
from collections import Counter
from html import escape
from typing import Any

import cv2
import numpy as np

from mono_depth_ros.tools.models.prove.results import FAILED, MEASURED, NOT_DONE, PROVED, UNPROVED, Proof, Proofs, Row
from mono_depth_ros.tools.report import page as html
from mono_depth_ros.tools.report.pictures import DepthScale

_WIDTH = 240
_CLASSES = {FAILED: "failed", NOT_DONE: "quiet", UNPROVED: "quiet", MEASURED: ""}


def page(proofs: Proofs) -> str:
    """The page. It asks nothing of the network."""
    states = Counter(proof.state for proof in proofs.models.values())
    headline = f"{states[PROVED]} of {len(proofs.models)} models proved"
    parts = {
        "headline": escape(headline),
        "lead": escape(
            "; ".join(f"{name} {proofs.machine[name]}" for name in ("CPU", "GPU") if name in proofs.machine)
        ),
        "tiles": "".join(
            _tile(word, str(states[state]), words)
            for word, state, words in (
                ("Proved", PROVED, "files, parity, engines and depth are right"),
                ("Failed", FAILED, "something is wrong: the reason stands below"),
                ("Not proved", UNPROVED, "something that was asked for could not be done"),
            )
        ),
        "models": _overview(proofs),
        "compared": _compared(proofs),
        "details": "".join(_model(proof) for proof in proofs.models.values()),
        "facts": html.facts(proofs.machine),
    }
    body = html.fill(html.read("mono_depth_ros.tools.models.prove", "body.html"), parts)
    text = json.dumps(proofs.plain()).replace("</", "<\\/")  # which would end the element
    return html.page(
        f"mono_depth_ros: {headline}", body, f'<script id="proofs" type="application/json">{text}</script>'
    )


def _tile(label: str, value: str, explanation: str) -> str:
    return f'<div class="tile"><span>{label}</span><b>{value}</b><em>{explanation}</em></div>'


def _overview(proofs: Proofs) -> str:
    heads = ["model", "state", "parity", "KITTI AbsRel", "NYUv2 AbsRel", "fastest engine", "ms", "images/s", "MiB"]
    rows = []
    for proof in proofs.models.values():
        timed = [row for row in proof.rows if "ms" in row.numbers]
        best = min(timed, key=lambda row: float(row.numbers["ms"]), default=None)
        numbers: dict[str, Any] = dict(best.numbers) if best else {}
        parity = [row for row in proof.rows if row.stage == "parity" and row.numbers]
        scores = {row.what: row.numbers for row in proof.rows if "coverage" in row.numbers}
        rows.append(
            [
                f'<a href="#{escape(proof.name)}">{escape(proof.name)}</a>',
                _state(proof.state),
                f"{max(row.numbers['largest'] for row in parity):.0e}" if parity else "",
                *(f"{scores[name]['abs_rel']:.3f}" if name in scores else "" for name in ("kitti", "nyu")),
                escape(best.what) if best else "",
                *(f"{numbers[key]:.4g}" if key in numbers else "" for key in ("ms", "images_per_s", "mib")),
            ]
        )
    return _table(heads, rows, 2)


def _compared(proofs: Proofs) -> str:
    if not proofs.compared:
        return ""
    other = "; ".join(f"{name} {proofs.against[name]}" for name in ("CPU", "GPU") if name in proofs.against)
    words = "Depth of the same weights on the same built-in pictures, here and on the other machine"
    table = _table(["model", "state", "found"], [_cells(row)[1:] for row in proofs.compared], 3)
    return f"<section><h2>Two machines</h2><p>{words}: {escape(other)}.</p>{table}</section>"


def _model(proof: Proof) -> str:
    facts = "; ".join(filter(None, (proof.kind.replace("_", " "), f"{proof.seconds:.0f} s", proof.licence)))
    table = _table(["", "", "state", "found"], [_cells(row) for row in proof.rows], 4)
    depth = next(iter(proof.depth.values()), {})
    figures = "".join(html.figure(name, picture, _WIDTH) for name, picture in _pictures(depth, proof.kind))
    row = f'<div class="row">{figures}</div>' if figures else ""
    heading = (
        f'<h3 id="{escape(proof.name)}">{escape(proof.name)}<span>{_state(proof.state)}; {escape(facts)}</span></h3>'
    )
    return f'<article class="frame aligned">{heading}{row}{table}</article>'


def _pictures(depth: dict[str, Any], kind: str) -> list[tuple[str, np.ndarray]]:
    """The built-in pictures' depth, drawn from the numbers that are kept: (H, W, 3) uint8 BGR."""
    found = []
    for name, one in depth.items():
        values = np.array([[np.nan if value is None else value for value in row] for row in one["rows"]])
        with np.errstate(divide="ignore", invalid="ignore"):
            metres = values if not kind.startswith("inverse") else 1 / np.maximum(values, 1e-9)
        small = DepthScale.of([np.kron(metres, np.ones((4, 4)))]).picture(metres)
        large = cv2.resize(small, None, fx=10, fy=10, interpolation=cv2.INTER_NEAREST)
        unit = " m" if kind == "metric" else ""
        mean = "nothing known" if one["mean"] is None else f"mean {one['mean']:.3g}{unit}"
        found.append((f"{name}: {mean}", large))
    return found


def _cells(row: Row) -> list[str]:
    return [escape(row.stage), escape(row.what), _state(row.state), escape(row.words)]


def _state(state: str) -> str:
    return f'<span class="{_CLASSES.get(state, "right")}">{escape(state)}</span>'


def _table(heads: list[str], rows: list[list[str]], left: int) -> str:
    return f'<div class="wide">{html.table(heads, rows, left)}</div>'
