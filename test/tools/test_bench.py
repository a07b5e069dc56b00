# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from mono_depth_ros.tools import bench, cli


@pytest.mark.parametrize("name", bench.SCRIPTS)
def test_an_old_name_says_which_script_measures_it(name, repository, capsys):
    assert cli.main(["bench", name]) == 2
    assert capsys.readouterr().err.endswith(f"python benchmarks/{name}.py\n")
    assert (repository / "benchmarks" / f"{name}.py").is_file()


def test_an_unknown_measurement_is_refused(capsys):
    assert cli.main(["bench", "clouds"]) == 2
    assert "there is no measurement 'clouds'" in capsys.readouterr().err
