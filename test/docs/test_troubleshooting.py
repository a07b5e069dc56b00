# SPDX-License-Identifier: Apache-2.0
"""docs/troubleshooting.md has each sentence of /diagnostics; `python test/docs/test_troubleshooting.py` writes it.

The sentences and their levels come from where they are defined: from the functions that judge, asked with an example
for each case, and from the source where an error is raised. The last column, what to do, is written by hand in the page
and kept for the same sentence, or the same reason of a drop; a new one has TODO there, which a test does not let pass.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from mono_depth_ros import transport
from mono_depth_ros.alignment.aligner import Aligned
from mono_depth_ros.alignment.result import Alignment, Curve, Fit
from mono_depth_ros.geometry.camera import Camera
from mono_depth_ros.metrics import depth_metrics
from mono_depth_ros.nodes.alignment.health import AlignmentFacts, judge_alignment
from mono_depth_ros.prediction import DepthKind, DepthPrediction
from mono_depth_ros.streams import health
from mono_depth_ros.streams.health import Facts, Feed, judge
from mono_depth_ros.streams.loss import Loss
from mono_depth_ros.streams.monitor import Monitor
from mono_depth_ros.streams.usable import Usable

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
PACKAGE = ROOT / "mono_depth_ros"
LOGGED = {"info": "INFO", "warning": "WARN"}
LEVELS = ("OK", "WARN", "ERROR")
BEGIN, END = "<!-- {}: `python test/docs/test_troubleshooting.py` writes it -->\n", "<!-- end of {} -->\n"
Row = tuple[str, str]  # of a table, without what to do

# ---- what the source says -------------------------------------------------------------------------------------------


@lru_cache
def source(name: str) -> ast.Module:
    tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
    for item in ast.walk(tree):
        item.tree = tree  # type: ignore[attr-defined]
    return tree


NO_ARGUMENTS = ast.parse("lambda: 0", mode="eval").body.args  # type: ignore[attr-defined]


def words(node: Any, scope: Any, deep: int = 3) -> str:
    """An expression as a sentence: what is known at run time only is an ellipsis; a name is what it was set to."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(words(part, scope, deep) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return words(node.value, scope, deep)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return words(node.left, scope, deep) + words(node.right, scope, deep)
    if isinstance(node, ast.IfExp):
        return " / ".join(dict.fromkeys((words(node.body, scope, deep), words(node.orelse, scope, deep)))).strip(" /")
    if isinstance(node, ast.BoolOp):
        return " / ".join(words(part, scope, deep) for part in node.values).removeprefix("… / ")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and deep:
        if node.func.id.endswith("Error"):
            return words(node.args[0], scope, deep)
        for item in ast.walk(scope.tree):
            if isinstance(item, ast.FunctionDef) and item.name == node.func.id and ast.unparse(item.returns) == "str":
                said = (words(part.value, item, deep - 1) for part in ast.walk(item) if isinstance(part, ast.Return))
                return " / ".join(text for text in said if " " in text) or "…"
    if isinstance(node, ast.Name) and node.id not in [item.arg for item in getattr(scope, "args", NO_ARGUMENTS).args]:
        assigned = [item for item in [*scope.tree.body, *ast.walk(scope)] if isinstance(item, ast.Assign)]
        before = [i for i in assigned if i.end_lineno < node.lineno and getattr(i.targets[0], "id", "") == node.id]
        return words(before[-1].value, scope, deep - 1) if before and deep else "…"
    return "…"


def function(file: str, name: str) -> ast.AST:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return next(f for f in ast.walk(source(file)) if isinstance(f, kinds) and f.name == name)


def said_in(file: str, name: str, kinds: Any = ast.Return | ast.Assign) -> list[str]:
    """The sentences that a function returns or sets."""
    scope = function(file, name)
    found = [
        words(getattr(i, "value", getattr(i, "exc", None)), scope) for i in ast.walk(scope) if isinstance(i, kinds)
    ]
    return [text for text in found if is_sentence(text)]


def logged_in(file: str, name: str) -> list[Row]:
    """The levels and the sentences that a function logs."""
    scope = function(file, name)
    calls = [item for item in ast.walk(scope) if isinstance(item, ast.Call) and isinstance(item.func, ast.Attribute)]
    found = [(item.func.attr, words(item.args[-1], scope)) for item in calls if item.func.attr in LOGGED and item.args]
    return [(LOGGED[level], plain(text)) for level, text in found if is_sentence(text)]


def is_sentence(text: str) -> bool:
    return " " in text and re.search("[a-z]{3}", text) is not None


ERRORS = {"FrameError": 1, "ImageError": 1, "CameraError": 1, "drop": 0, "SamplesError": 2, "FitError": 2}
ERRORS["ObstacleError"] = 3
"""What takes a reason last: of a drop (1; 0: the reason comes first), why a reference does not count (2), or why an
image has no obstacles (3)."""

# Not of these nodes: files, recordings, the command line, and the node that publishes pictures of files.
ELSEWHERE = ("datasets/", "tools/", "bags/", "media/camera_argument", "geometry/calibration", "geometry/exif")
ELSEWHERE += ("nodes/sources/", "media/image_argument")


def reasons() -> Iterator[tuple[int, str, str]]:
    """(kind as in ERRORS, reason, sentence) of all that a message is dropped or a reference is not used for."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith(ELSEWHERE):
            continue
        for scope in (f for f in ast.walk(source(name)) if isinstance(f, ast.FunctionDef)):
            for item in ast.walk(scope):
                yield from _reasons_of(item, scope, name)


def _reasons_of(item: ast.AST, scope: ast.FunctionDef, file: str) -> Iterator[tuple[int, str, str]]:
    if isinstance(item, ast.Call):
        called = getattr(item.func, "id", getattr(item.func, "attr", ""))
        if called not in ERRORS or not item.args or isinstance(item.args[0], ast.Starred):
            return
        kind, arguments = ERRORS[called], item.args[:: -1 if called == "drop" else 1]
        slug = "camera_invalid" if len(arguments) == 1 else words(arguments[1], scope)
        if slug == "…" and isinstance(arguments[1], ast.Name):  # a parameter: the callers give it
            at = [item.arg for item in scope.args.args].index(arguments[1].id)
            calls = [c for c in ast.walk(source(file)) if getattr(getattr(c, "func", None), "id", "") == scope.name]
            slug = " / ".join(words(call.args[at], call) for call in calls)
        text = words(arguments[0], scope)
    elif isinstance(item, ast.Return) and isinstance(item.value, ast.Tuple) and _gives_two_texts(scope):
        kind, slug, text = 2, words(item.value.elts[1], scope), words(item.value.elts[0], scope)
    else:
        return
    for one in slug.split(" / "):
        if re.fullmatch("[a-z_]+", one):
            yield max(kind, 1), one, text


def _gives_two_texts(scope: ast.FunctionDef) -> bool:
    return scope.returns is not None and ast.unparse(scope.returns) == "tuple[str, str]"


# What is said for these comes from elsewhere.
SAID_BY = {
    "device_lost": [("models/runtime/device_errors.py", "failed")],
    "imu_time": [("streams/pairing.py", "why_none")],
    "reference_time": [("streams/pairing.py", "why_none")],
    "not_alignable": [("alignment/scale_file.py", "check"), ("alignment/fit.py", "choose_curve")],
}


def reason_rows(kind: int) -> list[Row]:
    found: dict[str, list[str]] = {}
    for number, slug, text in reasons():
        if number == kind:
            found.setdefault(slug, []).append(text if is_sentence(text) else "the error in its own words")
    for slug in found.keys() & SAID_BY.keys():
        found[slug] = [text for place in SAID_BY[slug] for text in said_in(*place, ast.Return | ast.Raise)]
    return [(f"`{slug}`", "<br>".join(dict.fromkeys(map(plain, found[slug])))) for slug in sorted(found)]


# ---- what the judging functions say ---------------------------------------------------------------------------------

TOPIC = Feed("TOPIC", 1, 0.1, heard=True)
INFO = Feed("CAMERA_INFO", 1, 0.1, heard=True)
SILENT = replace(TOPIC, silent_s=3.2)
NOBODY = Feed("TOPIC")
QOS_IN = said_in("nodes/ros/subscribing.py", "_on_conflict")[0].replace("…", "TOPIC")
QOS_OUT = said_in("nodes/ros/publishing.py", "_on_conflict")[0].replace("…", "TOPIC")
OTHER = said_in("nodes/ros/topics.py", "other_than")
FACTS = Facts(TOPIC, "image", INFO, True, "", "", 1, True, 2.0, False, remedy="REMEDY")
METRICS = depth_metrics(np.array([1.0, 2.2]), np.array([1.0, 2.0]))
DEPTH = DepthPrediction(torch.ones(2, 2), DepthKind.METRIC)
FIT = Fit(Curve.SCALE, 2.0, 0.0, np.zeros((2, 2)), 0.9, 100, 0.1)
GOOD = Aligned(DEPTH, Alignment(FIT, None, METRICS, METRICS, True), "aligned", 0.1, "", 90, 10)
BAD = replace(GOOD, alignment=Alignment(FIT, None, METRICS, METRICS, False))
NONE = Aligned(None, None, "unaligned", float("nan"), "FIT_PROBLEM")
# fmt: off
ALIGNMENT = AlignmentFacts(
    lazy=True, subscribers=1, qos_conflict="", depth=TOPIC, depth_quarrel="", camera_info=INFO, camera_info_known=True,
    camera_problem="", colour_problem="", reference=TOPIC, reference_problem="", last=GOOD, max_abs_rel=0.25,
    publish_bad=True, timeout_s=2.0, remedy="REMEDY",
)
# fmt: on


def usable(**seen: Any) -> Usable:
    found = Usable()
    if "picture" in seen:
        found.picture(np.full((64, 64, 3), seen["picture"], dtype=np.uint8))
    if "time" in seen:
        found.published(*seen["time"])
    if "info" in seen:
        found.camera_info(*seen["info"])
    if "lens" in seen:
        found.lens(seen["lens"], seen.get("message"))
    found._covered = seen.get("covered", 1.0)
    found.depth(seen.get("known", 1.0))
    return found


def info(topic: str, frame: str) -> tuple[Any, str, Any, bool]:
    header = SimpleNamespace(frame_id="camera")
    return SimpleNamespace(d=(0.1,), header=SimpleNamespace(frame_id=frame)), topic, header, False


CONCERNS = [
    usable(covered=0.6),
    usable(lens=Camera(640, 480, 500.0, 500.0, 100.0, 240.0)),
    usable(lens=Camera(640, 480, 100.0, 100.0, 320.0, 240.0)),
    usable(known=0.004),
    usable(picture=1),
    usable(picture=254),
    usable(picture=90),
    usable(time=(0, 0.1, 0.05)),
    usable(time=(1, -40.0, 0.05)),
    usable(time=(1, 7200.0, 0.05)),
    usable(time=(1, 9.0, 8.5)),
    usable(info=info("image_rect", "camera")),
    usable(info=info("image", "other")),
    usable(
        lens=Camera.from_fov((640, 480), 60),
        message=SimpleNamespace(width=0, height=0, roi=SimpleNamespace(width=0)),
    ),
]

OBSTACLE_CONCERNS = said_in("streams/obstacles.py", "concern") + said_in("streams/obstacles.py", "_doubt")


def asked(judging: Any, facts: Any, changes: dict[str, Any]) -> Row:
    """The level and the sentence of a function for facts, of which `changes` has some, with counts, or a sentence."""
    counts = {"received": 10, "published": 10, "rate_out_hz": 9.8, "latency_p50_ms": 41.0, "last_drop": "LAST_DROP"}
    counts |= {name: changes.pop(name) for name in [*changes] if name in Monitor().snapshot().__dict__}
    before = replace(Monitor().snapshot(), published=0 if counts["published"] else counts.pop("earlier", 0))
    level, sentence = judging(replace(facts, **changes), replace(before, **counts), before)
    return LEVELS[level], plain(sentence)


def common() -> list[Row]:
    clauses = dict.fromkeys(words(item.args[0], scope) for scope, item in _tells())
    return [
        ("WARN", plain(health.NOT_ACTIVE)),
        ("WARN", plain(health.configuring(""))),
        *(("WARN", plain(health.configuring(clause))) for clause in ["loading", *clauses]),
        ("WARN", plain(health.internal_errors("ValueError in FILE.py:LINE", 2)) + " (status `NODE: callbacks`)"),
        ("WARN", plain(health.same_name("NAME")) + " (in the log)"),
    ]


def _tells() -> Iterator[tuple[ast.AST, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if "from mono_depth_ros.progress import" not in path.read_text(encoding="utf-8") or name.startswith(ELSEWHERE):
            continue
        for scope in ast.walk(source(name)):
            if isinstance(scope, ast.FunctionDef):
                for item in ast.walk(scope):
                    if isinstance(item, ast.Call) and getattr(item.func, "id", "") == "tell":
                        yield scope, item


LOST = {"recent_loss": Loss(90, 30)}
FAULT = {"published": 0, "drops": {"internal_error": 3}}


def depth() -> list[Row]:
    small = {"image": SILENT, "lost_since_last": 12}
    cases: list[dict[str, Any]] = [
        {"image": NOBODY},
        *({"image": replace(NOBODY, hint=hint)} for hint in OTHER),
        {"image": replace(SILENT, heard=False), "camera_info": NOBODY},
        {"image": replace(SILENT, heard=False)},
        {"image": SILENT, "camera_info": NOBODY},
        small,
        {"qos_conflict": QOS_IN},
        {"qos_conflict": QOS_OUT},
        {"subscribers": 0},
        {"camera_info_known": False},
        {"camera_problem": "CAMERA_PROBLEM"},
        FAULT,
        {"no_depth": usable(known=0.0).nothing()},
        {"no_depth": usable(known=0.0, covered=0.0).nothing()},
        {"no_obstacles": "OBSTACLE_PROBLEM"},
        *({"obstacle_concern": text} for text in OBSTACLE_CONCERNS),
        *({"concern": item.concern(0.01, 2.0)} for item in CONCERNS),
        {"relative": "depth/inverse"},
        {"late": health.missed(0.093, 0.05, "WIDTHxHEIGHT")},
        LOST,
        {"recent_loss": Loss(90, 30, 25)},
        {"published": 0},
        {"published": 0, "earlier": 5},
        {},
    ]
    return [_depth(dict(case)) for case in cases]


def _depth(case: dict[str, Any]) -> Row:
    earlier = case.pop("earlier", 0)
    if not earlier:
        return asked(judge, FACTS, case)
    before = replace(Monitor().snapshot(), published=earlier)
    level, sentence = judge(FACTS, replace(before, received=10), before)
    return LEVELS[level], plain(sentence)


def alignment() -> list[Row]:
    quarrel = said_in("nodes/alignment/inputs.py", "quarrel")[0].replace("…", "TOPIC")
    colour = said_in("nodes/alignment/stream.py", "_rgb")[0].replace("…", "COLOUR_PROBLEM")
    waiting = [text for text in said_in("alignment/aligner.py", "_learn") if "far" in text or "from here on" in text]
    fit = source("alignment/fit.py")
    note = next(words(k.value, k) for k in ast.walk(fit) if isinstance(k, ast.keyword) and k.arg == "note")
    old = [text for text in said_in("alignment/aligner.py", "update") if "old" in text]
    left_out = [text for text in said_in("alignment/align.py", "consistent") if text.startswith("left out")]
    displaced = said_in("alignment/displacement.py", "words")
    cases: list[dict[str, Any]] = [
        {"subscribers": 0},
        {"depth": NOBODY},
        {"depth": replace(NOBODY, hint=OTHER[-1])},
        {"depth": SILENT, "of_image": True},
        {"camera_info_known": False, "of_image": True},
        {"depth": replace(SILENT, heard=False)},
        {"depth": SILENT},
        {"depth": SILENT, "lost_since_last": 12},
        {"qos_conflict": QOS_IN},
        {"qos_conflict": QOS_OUT},
        {"camera_info_known": False},
        {"camera_problem": "CAMERA_PROBLEM"},
        {"reference": NOBODY, "last": None},
        {"reference": NOBODY},
        {"reference": replace(NOBODY, hint=OTHER[-1])},
        {"reference": replace(SILENT, heard=False)},
        {"reference": replace(SILENT, heard=False), "last": replace(GOOD, state="held", age_s=2.5)},
        {"reference_problem": "REFERENCE_PROBLEM"},
        {"reference_problem": "REFERENCE_PROBLEM", "last": NONE},
        {"last": replace(NONE, reason="no reference was fitted yet")},
        *({"last": replace(NONE, reason=text)} for text in old),
        {"last": NONE},
        {"last": BAD},
        {"last": BAD, "publish_bad": False},
        {"last": BAD, "metric": False},
        {"no_depth": usable(known=0.0).nothing()},
        {"no_obstacles": "OBSTACLE_PROBLEM"},
        FAULT,
        *({"obstacle_concern": text} for text in OBSTACLE_CONCERNS),
        {"few": usable(known=0.004).few(0.01)},
        {"depth_quarrel": quarrel},
        *({"last": replace(GOOD, reason=text)} for text in (*waiting, *left_out, *displaced)),
        {"last": replace(GOOD, reason=note.replace("…", "FIT_PROBLEM"))},
        {"last": replace(GOOD, reason="FIT_PROBLEM")},
        {"colour_problem": colour},
        LOST,
        {"last": None},
        {"last": replace(GOOD, state="frozen")},
        {},
        {"metric": False},
    ]
    return [asked(judge_alignment, ALIGNMENT, dict(case)) for case in cases]


def remedies() -> list[Row]:
    kinds = ["rmw_fastrtps_cpp", *transport._REMEDIES, "another"]
    variable, file = transport.variables()[0], str(transport.profile())
    return [
        (f"`{kind}`", plain(transport.remedy(kind, "WHO").replace(variable, "PROFILE_VARIABLE").replace(file, "FILE")))
        for kind in kinds
    ]


def log() -> list[Row]:
    places = (
        ("nodes/ros/middleware.py", "say_profile"),
        ("nodes/ros/bond.py", "bond_of"),
        ("nodes/ros/bond.py", "_beat"),
        ("nodes/ros/session.py", "end"),
        ("nodes/ros/lifecycle.py", "change_state"),
    )
    return [row for place in places for row in logged_in(*place)]


def plain(text: str) -> str:
    text = re.sub("…+", "…", text).replace("…and", "… and")
    return text.replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*")


TABLES = {
    "both nodes": (common, "level"),
    "the depth node": (depth, "level"),
    "the alignment node": (alignment, "level"),
    "REMEDY": (remedies, "middleware"),
    "drops": (lambda: reason_rows(1), "reason"),
    "references": (lambda: reason_rows(2), "reason"),
    "obstacles": (lambda: reason_rows(3), "reason"),
    "the log": (log, "level"),
}


def table(name: str, known: dict[str, str]) -> str:
    rows, first = TABLES[name][0](), TABLES[name][1]
    lines = [f"| {first} | what is said | what it means, and what to do |", "|---|---|---|"]
    for head, said in dict.fromkeys(rows):
        lines.append(f"| {head} | {said} | {known.get(key(name, head, said), 'TODO')} |")
    return "\n".join(lines) + "\n"


def key(name: str, head: str, said: str) -> str:
    return f"{name}: {head if TABLES[name][1] in ('reason', 'middleware') else said}"


def by_hand(text: str) -> dict[str, str]:
    """What to do, of each row of the page."""
    found = {}
    for name in TABLES:
        for line in between(text, name).splitlines()[2:]:
            head, said, do = re.split(r" \| ", line.removeprefix("| ").removesuffix(" |"))
            found[key(name, head, said)] = do
    return found


def between(text: str, name: str) -> str:
    begin, end = BEGIN.format(name), END.format(name)
    assert begin in text and end in text, f"docs/troubleshooting.md has lost the marks around the table of {name}"
    return text.partition(begin)[2].partition(end)[0]


@pytest.mark.parametrize("name", TABLES)
def test_the_page_has_every_sentence_and_what_to_do(name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert between(text, name) == table(name, by_hand(text)), "run: python test/docs/test_troubleshooting.py"
    assert "TODO" not in between(text, name) and "|  |\n" not in between(text, name)


# Functions beside the sentences: figures, and words for them.
JUDGING = {
    "streams/health.py": (),
    "streams/usable.py": ("_long",),
    "nodes/alignment/health.py": ("alignment_figures", "histogram_words", "_metrics"),
}


@pytest.mark.parametrize("file", JUDGING)
def test_no_case_of_the_judging_functions_has_been_left_out(file: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    skipped = {id(c) for name in JUDGING[file] for c in ast.walk(function(file, name))}
    skipped |= {id(item.value) for item in ast.walk(source(file)) if isinstance(item, ast.Expr)}
    spoken = [c for c in ast.walk(source(file)) if isinstance(c, ast.Constant) and isinstance(c.value, str)]
    parts = [plain(c.value) for c in spoken if id(c) not in skipped and re.search("[a-z]{3}.* | .*[a-z]{3}", c.value)]
    assert len(parts) > 10 and [part for part in parts if part not in page] == []


def test_reasons_are_found_in_the_source() -> None:
    drops, references = ({slug for number, slug, _ in reasons() if number == kind} for kind in (1, 2))
    assert {"image_encoding", "image_step", "camera_info_size", "camera_invalid", "device_lost"} < drops
    assert {"image_truncated", "stamp_negative", "time_backwards", "internal_error", "superseded"} < drops
    assert {"reference_behind", "transform_late", "too_few_samples", "no_floor", "disparity_limits"} < references


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    known = by_hand(text)
    for name in TABLES:
        text = text.replace(BEGIN.format(name) + between(text, name), BEGIN.format(name) + table(name, known))
    PAGE.write_text(text, encoding="utf-8")
