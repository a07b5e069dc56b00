# SPDX-License-Identifier: Apache-2.0
"""`--config FILE.yaml` of `bag`, `eval` and `image`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mono_depth_ros.tools.cli import build_parser

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture
def parse(tmp_path):
    """The arguments of a command line with `--config`; `content` is that of the file."""

    def parse(content, *words):
        file = tmp_path / "my.yaml"
        file.write_text(content)
        return build_parser().parse_args([*words, "--config", str(file)])

    return parse


@pytest.fixture
def refused(parse, capsys, tmp_path):
    def refused(content, *words):
        with pytest.raises(SystemExit) as ended:
            parse(content, *(words or ("bag", "in")))
        out, line = capsys.readouterr()
        assert ended.value.code == 2 and not out and line.count("\n") == 1 and str(tmp_path / "my.yaml") in line
        return line

    return refused


def test_every_kind_of_option(parse):
    found = parse(
        "stride: 3\nmax-depth: 8\ncurve: log\nlocal: false\noutputs: [depth, points]\nray: true\nresume: true\n"
        "model: 2026\nexport: [[tum, a], [ply, b]]\npitch_deg: 12.5\nout: ~/x.mcap\n",
        "bag",
        "in",
    )
    assert (found.stride, found.max_depth, found.curve, found.local) == (3, 8.0, "log", False)
    assert (found.outputs, found.ray, found.resume) == ("depth,points", "local", True)
    assert (found.model, found.export, found.pitch_deg) == ("2026", [["tum", "a"], ["ply", "b"]], "12.5")
    assert found.out == Path("~/x.mcap").expanduser() and found.min_depth == 0.0


def test_the_command_line_wins(parse):
    text = "stride: 3\nlocal: false\nresume: true\n"
    found = parse(text, "bag", "in", "--stride", "1", "--local")
    assert (found.stride, found.local, found.resume) == (1, True, True), "1 and true are also the defaults"
    found = parse("model: [a, b]\nalign: median", "eval", "nyu", "d", "--model", "c")
    assert found.model == ["c"] and found.align == "median"
    assert parse("model: [a, b]", "eval", "nyu", "d").model == ["a", "b"]
    assert parse("measure: '1,2,3,4'", "image", "a.png").measure == ["1,2,3,4"]


@pytest.mark.parametrize(
    "content, sentence",
    [
        ("strid: 3", "has the unknown option 'strid': did you mean 'stride'?"),
        ("stride: 65", "has a wrong value of 'stride': found '65', expected 1 to 64 px"),
        ("stride: 2.0", "has a wrong value of 'stride': found '2.0', expected 1 to 64 px"),
        ("stride: true", "has a wrong value of 'stride': found True, expected a text or a number"),
        ("stride:", "has a wrong value of 'stride': found None"),
        ("local: 1", "has a wrong value of 'local': found 1, expected true or false"),
        ("curve: invers", "has a wrong value of 'curve': found 'invers', expected one of: auto"),
        ("export: [tum, a, b]", "has a wrong value of 'export'"),
        ("out: ~nobody_of_this_name/a", "there is no user 'nobody_of_this_name'"),
        ("config: other.yaml", "has the unknown option 'config'"),
        ("help: true", "has the unknown option 'help'"),
        ("just words", "holds 'just words', expected options as `name: value`"),
        ("", "holds None"),
        ("stride: 2\nstride: 3", "'stride' is given twice"),
        ("a: " + "[" * 1000, "nested more than 64 deep"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_wrong_file_is_one_sentence_with_its_name(refused, content, sentence):
    assert sentence in refused(content)


@pytest.mark.parametrize("name", ["missing.yaml", ".", "~nobody_of_this_name/a.yaml"])
def test_a_file_that_cannot_be_read(name, capsys):
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args(["image", "a.png", "--config", name])
    assert ended.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_a_parameter_file_of_the_nodes_gives_what_the_tool_has_too(parse, capsys):
    found = parse(
        "/**:\n  ros__parameters:\n    model: tiny\n    lazy: false\n"
        "alignment_node:\n  ros__parameters:\n    curve: scale\n    tolerance: 0.2\n",
        "bag",
        "in",
    )
    assert (found.model, found.curve, found.tolerance) == ("tiny", "scale", 0.2)
    assert "parameters of nodes alone: lazy\n" in capsys.readouterr().err


def test_eval_takes_no_range_of_the_nodes_for_that_of_the_ground_truth(parse, capsys):
    text = "/**:\n  ros__parameters:\n    model: tiny\n    max_depth: .inf\n"
    assert parse(text, "eval", "nyu", "d").max_depth == 0.0
    assert "max_depth" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["depth.yaml", "alignment.yaml"])
@pytest.mark.parametrize("words", [("bag", "in"), ("image", "a.png"), ("eval", "nyu", "d")])
def test_the_parameter_files_of_the_package_change_nothing(parse, name, words):
    found, default = vars(parse((CONFIG / name).read_text(), *words)), vars(build_parser().parse_args(words))
    changed = {key for key in default if key != "run" and found[key] != default[key]}
    # Other defaults than the nodes: `bag` looks for a reference, `eval` has full precision, `image` full size.
    assert changed <= {"config", "reference", "precision", "stereo_downscale"}


def test_a_parameter_file_is_as_strict(refused):
    assert "did you mean 'stride'" in refused("/**:\n  ros__parameters:\n    strid: 1\n")
    both = "a:\n  ros__parameters:\n    rectified: true\nb:\n  ros__parameters:\n    rectified: false\n"
    assert "gives 'rectified' to two nodes with different values" in refused(both)
