# SPDX-License-Identifier: Apache-2.0
"""What SECURITY.md says of files holds for every line of the package: nothing that is read can run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "mono_depth_ros"
ASKED_FOR = {
    ("torch.load", "weights_only"): True,
    ("np.load", "allow_pickle"): False,
}
"""Calls, an argument that each needs, and its value; numpy's is that by default."""
NEVER = {
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads", "shelve.open", "joblib.load"),
    *("eval", "exec", "os.system", "os.popen", "yaml.unsafe_load", "yaml.full_load", "torch.hub.load"),
    *("urllib.request.urlopen", "requests.get"),
}
OWN_PLACE = {"yaml.load": {"config/yaml_text.py"}}
"""Calls that one file may make, which gives them a safe loader and limits."""


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name with dots; what something else gives is a `*`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "*"


def calls(text: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Name and constant keyword arguments of every call in a module."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            yield dotted(node.func), {word.arg or "**": getattr(word.value, "value", ...) for word in node.keywords}


def unsafe(name: str, text: str) -> list[str]:
    """What a module should not do."""
    found = []
    for call, known in calls(text):
        wanted = [(key, value) for (asked, key), value in ASKED_FOR.items() if asked == call]
        missing = [key for key, value in wanted if known.get(key, False) is not value]
        elsewhere = name not in OWN_PLACE.get(call, {name})
        if call in NEVER or missing or elsewhere or known.get("shell") or "trust_remote_code" in known:
            found.append(f"{name}: {call}({', '.join(known)})")
    return found


def test_nothing_that_is_read_can_run() -> None:
    modules = sorted(PACKAGE.rglob("*.py"))
    texts = {str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8") for path in modules}
    assert len(modules) > 200 and [line for name, text in texts.items() for line in unsafe(name, text)] == []


def test_what_could_run_is_noticed() -> None:
    text = """
torch.load(path)
torch.load(path, weights_only=False)
np.load(path, allow_pickle=True)
yaml.load(text, Loader)
pickle.loads(data)
subprocess.run(words, shell=True)
model.from_pretrained(path, trust_remote_code=True)
"""
    assert len(unsafe("a.py", text)) == 7
    assert unsafe("a.py", "torch.load(path, weights_only=True)\nnp.load(path)\nsubprocess.run(words)") == []
