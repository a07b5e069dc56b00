# SPDX-License-Identifier: Apache-2.0
"""The fixtures of test/bags, and conversions in processes of their own."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("bags_conftest", Path(__file__).parents[2] / "bags" / "conftest.py")
_module = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = _module
_spec.loader.exec_module(_module)
use, maker, kit = _module.use, _module.maker, _module.kit


class Server:
    """Starts conversions in processes of their own; see kill_server.py."""

    def __init__(self):
        command = [sys.executable, str(Path(__file__).with_name("kill_server.py"))]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def start(self, *words, **how):
        self._last = self._ask(words=list(map(str, words)), **how)
        return self._last

    def wait(self, pid=None):
        return self._ask(wait=pid or self._last)

    def run(self, *words, **how):
        return self.wait(self.start(*words, **how))

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)

    def _ask(self, **what):
        print(json.dumps(what), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


@pytest.fixture(scope="session")
def server():
    server = Server()
    yield server
    server.close()
