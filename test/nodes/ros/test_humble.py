# SPDX-License-Identifier: Apache-2.0
"""The nodes against the rclpy of ROS 2 Humble, which is not on the package index: against its names and signatures.

humble_api.json has them: {module: {name: null, or the parameters of a function, or {method: parameters} of a class}}.
It is what `python test/nodes/ros/test_humble.py SOURCES` prints, with the folder rclpy/rclpy of that branch.
"""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
TABLE = Path(__file__).with_name("humble_api.json")
API = json.loads(TABLE.read_text()) if TABLE.exists() else {}
NODES = sorted(path for path in (ROOT / "mono_depth_ros" / "nodes").rglob("*.py") if path.name != "launching.py")
METHODS: dict[str, set[str]] = {}
"""The parameters that a function or method of this name has anywhere in rclpy; of a class, those of its constructor."""
OURS = {"publish"}  # a method of this name that is not rclpy's has keywords of its own
for module in API.values():
    for name, kind in module.items():
        if isinstance(kind, list):
            METHODS.setdefault(name, set()).update(kind)
        if isinstance(kind, dict):
            METHODS.setdefault(name, set()).update(kind.get("__init__") or ())
            for method, known in kind.items():
                METHODS.setdefault(method, set()).update(known if isinstance(known, list) else ())


def test_every_node_is_imported() -> None:
    """With modules in place of rclpy that have Humble's names and nothing else."""
    done = subprocess.run([sys.executable, __file__, "--import"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (
        "mono_depth_ros.nodes.depth.node" in done.stdout and "mono_depth_ros.nodes.sources.recorder_node" in done.stdout
    )


@pytest.mark.parametrize("path", NODES, ids=lambda path: str(path.relative_to(ROOT / "mono_depth_ros" / "nodes")))
def test_every_keyword_that_is_given_to_rclpy_is_known_there(path: Path) -> None:
    for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        known = METHODS.get(name, set()) if name not in OURS else set()
        if known and not any(item.startswith("*") for item in known):
            unknown = {keyword.arg for keyword in call.keywords} - {None} - known
            assert not unknown, f"{path.name}:{call.lineno}: {name} of Humble has no {sorted(unknown)}"


def test_callbacks_are_told_nothing_of_a_message_where_rclpy_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from mono_depth_ros.nodes.ros import distributions

    told: list[Any] = []
    monkeypatch.setattr(distributions, "MESSAGE_INFO", False)
    distributions.with_info(lambda *arguments: told.append(arguments))("message")
    assert told == [("message", {})]


class Anything:
    """Stands for what compiled code defines: everything is in it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self

    def __iter__(self) -> Any:
        return iter(())


def stand_ins() -> dict[str, types.ModuleType]:
    """Modules with Humble's names; a class has its methods and values, and nothing else."""
    modules = {name: types.ModuleType(name) for name in API}
    for name, module in modules.items():
        module.__path__ = []  # packages are told from modules nowhere
        for member, kind in API[name].items():
            if isinstance(kind, dict):
                stand = dict.fromkeys(kind, Anything()) | {"__init__": lambda *_, **__: None}
                setattr(module, member, type(member, (), stand))
            elif not isinstance(kind, str):
                setattr(module, member, Anything())
    for name, module in modules.items():
        for member, kind in API[name].items():
            if isinstance(kind, str):
                setattr(
                    module, member, getattr(modules.get(kind.partition(":")[0]), kind.partition(":")[2], Anything())
                )
    return modules


def parameters(function: ast.FunctionDef) -> list[str]:
    spec = function.args
    found = [item.arg for item in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs) if item.arg != "self"]
    return found + [f"*{item.arg}" for item in (spec.vararg, spec.kwarg) if item]


def members(body: list[ast.stmt], module: str, package: str) -> dict[str, Any]:
    """The names that a module or a class defines."""
    found: dict[str, Any] = {}
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found[node.name] = parameters(node)
        elif isinstance(node, ast.ClassDef):
            found[node.name] = members(node.body, module, package)
        elif isinstance(node, ast.Assign):
            found |= {target.id: None for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            home = ".".join(filter(None, (package if node.level else "", node.module)))
            known = home.startswith("rclpy") and "implementation_singleton" not in home
            found |= {item.name: f"{home}:{item.name}" if known else None for item in node.names}
    return found


def api(sources: Path) -> dict[str, Any]:
    found = {}
    for path in sorted(sources.rglob("*.py")):
        module = ".".join(("rclpy", *path.relative_to(sources).with_suffix("").parts)).removesuffix(".__init__")
        if not module.startswith(("rclpy.action", "rclpy.validate", "rclpy.impl.l", "rclpy.impl.rc")):
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            found[module] = members(ast.parse(path.read_text()).body, module, package)
    return found


if __name__ == "__main__":
    if sys.argv[1:] == ["--import"]:
        sys.modules |= stand_ins()
        for path in NODES:
            print(importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)).__name__)
    else:
        json.dump(api(Path(sys.argv[1])), sys.stdout, separators=(",", ":"))
