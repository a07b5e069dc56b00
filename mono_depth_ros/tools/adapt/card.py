# SPDX-License-Identifier: Apache-2.0
"""The card of an adapted model, README.md: what it is of, what it learned from, and how good it is."""

from __future__ import annotations

from typing import Any

from mono_depth_ros.errors import shown


def card(summary: dict[str, Any]) -> str:
    """Markdown, of the summary of an adaptation."""
    model, frames, training = summary["model"], summary["frames"], summary["training"]
    relative = model["kind"] != "metric"
    rows = [
        f"| {name} | {_number(summary['before'][key], key)} | {_number(summary['after'][key], key)} |"
        for key, name in (("abs_rel", "AbsRel"), ("rmse_m", "RMSE, m"), ("delta1", "delta1"))
    ]
    if summary["synthetic"]:
        world = summary["synthetic"]
        rows.append(
            f"| AbsRel in the synthetic world | {world['before']['abs_rel']:.3f} | {world['after']['abs_rel']:.3f} |"
        )
    gain = summary["gain"]
    lines = [
        f"# {shown(model['base'])}, adapted",
        "",
        "A depth model of mono_depth_ros, adapted to one camera and place with `mono_depth adapt`.",
        "",
        "```sh",
        "mono_depth image photo.jpg --model THIS_DIRECTORY",
        "ros2 launch mono_depth_ros depth.launch.py model:=THIS_DIRECTORY",
        "```",
        "",
        f"- Base: {shown(model['base'])}, family {model['family']}, SHA-256 of its weights {model['base_sha256']}",
        f"- Kind of depth: {model['kind']}",
        f"- Licence of the base: {shown(model['licence'])}, which holds for this model too",
        *([f"- Note: {summary['licence_note']}"] if summary["licence_note"] else []),
        "",
        "## Data",
        "",
        *(f"- {shown(note, 500)}" for note in summary["notes"]),
        f"- Split by time, with gaps: {frames['training']} frames to learn from, {frames['validation']} to choose the "
        f"learning rate and the length by, {frames['test']} to judge by, which nothing had seen",
        "",
        "## Figures",
        "",
        f"On the test frames, the mean of images{', each after its best scale and shift' if relative else ''}:",
        "",
        "| | before | after |",
        "|---|--:|--:|",
        *rows,
        "",
        f"AbsRel falls by {gain['mean']:.3f}, 95 % interval {gain['low']:.3f} to {gain['high']:.3f} (paired, "
        f"{gain['blocks']} blocks of time).",
        "",
        "## Training",
        "",
        f"{training['steps']} steps in {training['minutes']:.1f} minutes, learning rate {training['learning_rate']:g}, "
        f"the weights of step {training['best_step']}.",
        "",
        "It knows the camera and the place of these recordings best; elsewhere it may be worse than its base.",
    ]
    return "\n".join(lines) + "\n"


def _number(value: float, key: str) -> str:
    return f"{100 * value:.1f} %" if key == "delta1" else f"{value:.3f}"
