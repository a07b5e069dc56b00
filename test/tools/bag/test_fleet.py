# SPDX-License-Identifier: Apache-2.0
"""Many bags: each once, whatever fails; what is done is known by the manifest and, without it, by the bags."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from mono_depth_ros.errors import ModelError, MonoDepthError
from mono_depth_ros.tools.bag import convert as convert_module
from mono_depth_ros.tools.bag.crew import Outcome
from mono_depth_ros.tools.bag.fleet import share_out
from mono_depth_ros.tools.bag.lock import locked
from mono_depth_ros.tools.bag.manifest import converted_name, find_bags, is_one_bag

NAMES = {"a.mcap": 3, "b.db3": 4, "deep/c": 5, "deep/deeper/d.mcap": 6}


@pytest.fixture
def folder(tmp_path, kit):
    """Four bags of 3, 4, 5 and 6 images."""
    for name, count in NAMES.items():
        write(kit, tmp_path / "in" / name, count)
    return tmp_path / "in"


def write(kit, path, count, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    kit.BagMaker().frames(count, **how).write(path)
    if path.suffix:  # what is left of the folder that it was written in
        (path.with_name(path.name + "_folder") / "metadata.yaml").unlink()
        path.with_name(path.name + "_folder").rmdir()


def manifest(out):
    return json.loads((out / "manifest.json").read_text())["bags"]


def times(path):
    return {item: item.stat().st_mtime_ns for item in path.rglob("*") if item.is_file()}


def depths(kit, path):
    return len([1 for topic, _, _ in kit.read(path) if topic == "/depth/image"])


def fail_on(monkeypatch, failures):
    """`convert` raises for a bag of that name, as often as `failures` says; returns what was called."""
    from mono_depth_ros.tools.bag import crew

    convert, calls = crew.convert, []

    def failing(job, *rest):
        calls.append(job.source.name)
        if failures.get(job.source.name, 0) > 0:
            failures[job.source.name] -= 1
            raise RuntimeError("planted")
        return convert(job, *rest)

    monkeypatch.setattr(crew, "convert", failing)
    return calls


def test_one_after_another(tmp_path, folder, use, kit, capsys, documented):
    model, out = use(), tmp_path / "out"
    assert kit.bag(folder, "--out", out, "--json") == 0
    assert {name: depths(kit, out / name) for name in NAMES} == NAMES
    assert sum(model.batches) == sum(NAMES.values())
    assert {name: entry["state"] for name, entry in manifest(out).items()} == dict.fromkeys(NAMES, "done")
    printed = json.loads(capsys.readouterr().out)
    documented("bag of a folder", printed)
    assert {name: item["written"] for name, item in printed["done"].items()} == NAMES
    assert not list(out.rglob(".*"))
    # The same bytes as alone.
    assert kit.bag(folder / "b.db3", "--out", tmp_path / "alone.db3") == 0
    assert kit.read(out / "b.db3") == kit.read(tmp_path / "alone.db3")


def test_a_second_run_does_only_what_is_missing(tmp_path, folder, use, kit, capsys):
    out = tmp_path / "out"
    use()
    assert kit.bag(folder, "--out", out) == 0
    (out / "b.db3").unlink()
    write(kit, folder / "new.mcap", 2)
    model, before = use(), times(out)
    capsys.readouterr()
    assert kit.bag(folder, "--out", out, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert sorted(printed["done"]) == ["b.db3", "new.mcap"]
    assert printed["before"] == ["a.mcap", "deep/c", "deep/deeper/d.mcap"]
    assert sum(model.batches) == 4 + 2
    after = times(out)
    assert {path for path in before if after[path] != before[path]} == {out / "manifest.json"}


def test_nothing_is_done_twice_without_the_manifest(tmp_path, folder, use, kit):
    out = tmp_path / "out"
    use()
    assert kit.bag(folder, "--out", out) == 0
    (out / "manifest.json").unlink()
    model, before = use(), times(out)
    assert kit.bag(folder, "--out", out) == 0
    assert model.batches == [] and {path: times(out)[path] for path in before} == before
    assert {name: entry["state"] for name, entry in manifest(out).items()} == dict.fromkeys(NAMES, "done")


def test_without_anything_to_do_no_model_is_loaded(tmp_path, folder, use, kit, monkeypatch):
    use()
    assert kit.bag(folder, "--out", tmp_path / "out") == 0

    def never(*_):
        raise AssertionError("loaded")

    monkeypatch.setattr("mono_depth_ros.models.loading.load_model", never)
    assert kit.bag(folder, "--out", tmp_path / "out") == 0


def test_a_failure_is_tried_again_after_the_others(tmp_path, folder, use, kit, monkeypatch, capsys):
    use()
    calls = fail_on(monkeypatch, {"a.mcap": 2})
    assert kit.bag(folder, "--out", tmp_path / "out") == 0
    assert calls == ["a.mcap", "b.db3", "c", "d.mcap", "a.mcap", "a.mcap"]
    assert manifest(tmp_path / "out")["a.mcap"]["attempts"] == 3
    assert "a.mcap: attempt 2 of 3 failed: RuntimeError: planted" in capsys.readouterr().err


def test_what_fails_to_the_end_is_named_and_the_others_are_done(tmp_path, folder, use, kit, monkeypatch, capsys):
    use()
    out, failures = tmp_path / "out", {"c": 2}
    calls = fail_on(monkeypatch, failures)
    assert kit.bag(folder, "--out", out, "--attempts", "2") == 1
    assert calls.count("c") == 2
    assert "deep/c: RuntimeError: planted" in capsys.readouterr().err.splitlines()
    found = manifest(out)
    entry = found["deep/c"]
    assert (entry["state"], entry["attempts"], entry["problem"]) == ("failed", 2, "RuntimeError: planted")
    assert [name for name in NAMES if found[name]["state"] == "done"] == ["a.mcap", "b.db3", "deep/deeper/d.mcap"]
    calls.clear()
    assert kit.bag(folder, "--out", out) == 0  # and the next run tries it again, alone
    assert calls == ["c"] and depths(kit, out / "deep/c") == 5


def test_a_bag_that_is_no_bag_costs_only_itself(tmp_path, folder, use, kit, capsys):
    use()
    (folder / "broken.mcap").write_bytes(b"no bag")
    assert kit.bag(folder, "--out", tmp_path / "out") == 1
    found = manifest(tmp_path / "out")
    assert found["broken.mcap"]["state"] == "failed" and found["deep/c"]["state"] == "done"
    assert "broken.mcap: " in capsys.readouterr().err.splitlines()[-1]


def test_a_damaged_bag_is_named_in_every_run(tmp_path, folder, use, kit, capsys):
    model = use()
    write(kit, folder / "z.db3", 60)
    data = (folder / "z.db3").read_bytes()
    (folder / "z.db3").write_bytes(data[: len(data) // 2 // 4096 * 4096])
    for _ in range(2):
        assert kit.bag(folder, "--out", tmp_path / "out") == 1
        assert "z.db3: " in capsys.readouterr().err.splitlines()[-1]
    assert 10 < sum(model.batches) - sum(NAMES.values()) < 60  # a part of it, and once


def test_a_full_disk_ends_it(tmp_path, folder, use, kit, monkeypatch, capsys):
    from mono_depth_ros.tools.bag import crew

    def full(job, *_):
        raise MonoDepthError("cannot write") from OSError(28, "No space left on device")

    monkeypatch.setattr(crew, "convert", full)
    use()
    assert kit.bag(folder, "--out", tmp_path / "out", "--json") == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["failed"] == {"a.mcap": "cannot write"} and printed["untried"] == ["b.db3", *list(NAMES)[2:]]


def test_ctrl_c_keeps_what_is_done(tmp_path, folder, use, kit, capsys):
    def interrupt():
        if len(model.batches) == 5:  # in the middle of the second bag
            raise KeyboardInterrupt

    model, out = use(wait=interrupt), tmp_path / "out"
    assert kit.bag(folder, "--out", out, "--batch", "1") == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert list(manifest(out)) == ["a.mcap"] and (out / "b.db3.part").is_dir()
    rest = use()
    assert kit.bag(folder, "--out", out, "--batch", "1") == 0
    assert len(model.batches) + len(rest.batches) == sum(NAMES.values())
    assert {name: depths(kit, out / name) for name in NAMES} == NAMES


def test_a_model_that_cannot_be_loaded_ends_it(tmp_path, folder, kit, monkeypatch, capsys):
    def load(*_):
        raise ModelError("no weights")

    monkeypatch.setattr("mono_depth_ros.models.loading.load_model", load)
    assert kit.bag(folder, "--out", tmp_path / "out") == 1
    assert capsys.readouterr().err.splitlines()[-1] == "mono_depth bag: no weights"


def test_other_options_are_refused_unless_by_force(tmp_path, folder, use, kit, capsys):
    model, out = use(), tmp_path / "out"
    assert kit.bag(folder, "--out", out) == 0
    assert kit.bag(folder, "--out", out, "--max-depth", "5") == 1
    assert "was begun with max_depth 'inf', found 5.0" in capsys.readouterr().err
    model.batches.clear()
    assert kit.bag(folder, "--out", out, "--segment-frames", "7", "--threads", "1") == 0  # no matter
    assert model.batches == []
    assert kit.bag(folder, "--out", out, "--max-depth", "5", "--force") == 0
    assert sum(model.batches) == sum(NAMES.values())


def test_force_that_was_interrupted_goes_on_in_the_next_run(tmp_path, folder, use, kit, monkeypatch):
    model, out = use(), tmp_path / "out"
    assert kit.bag(folder, "--out", out) == 0
    calls = fail_on(monkeypatch, {"b.db3": 1, "d.mcap": 1})
    assert kit.bag(folder, "--out", out, "--force", "--attempts", "1") == 1
    assert len(calls) == 4 and manifest(out)["b.db3"]["state"] == "anew"
    model.batches.clear()
    assert kit.bag(folder, "--out", out) == 0
    assert sum(model.batches) == 4 + 6  # what was done by force is not done again, and the old is not taken for new
    assert manifest(out)["b.db3"]["state"] == "done"


def test_another_input_of_that_name_is_refused(tmp_path, folder, use, kit, capsys):
    use()
    assert kit.bag(folder, "--out", tmp_path / "out") == 0
    (folder / "a.mcap").unlink()
    write(kit, folder / "a.mcap", 9)
    assert kit.bag(folder, "--out", tmp_path / "out") == 1
    assert "was begun from another input" in capsys.readouterr().err
    assert depths(kit, tmp_path / "out" / "a.mcap") == 3


def test_exports_have_a_folder_for_each_bag(tmp_path, folder, use, kit):
    use()
    assert kit.bag(folder, "--out", tmp_path / "out", "--export", "tum", tmp_path / "tum") == 0
    for name, count in NAMES.items():
        assert len(list((tmp_path / "tum" / name / "depth").glob("*.png"))) == count


def test_which_folders_are_one_bag(tmp_path, folder, kit):
    assert list(find_bags(folder)) == list(NAMES)
    assert not is_one_bag(folder) and is_one_bag(folder / "a.mcap") and is_one_bag(folder / "deep/c")
    cut = folder / "deep/c"  # cut off before its metadata was written: the names say what it is
    (cut / "metadata.yaml").unlink()
    (cut / "c.mcap").rename(cut / "c_0.mcap")
    assert is_one_bag(cut)
    (cut / "c_1.mcap").write_bytes(b"")
    assert is_one_bag(cut)
    (cut / "c_3.mcap").write_bytes(b"")
    assert not is_one_bag(cut)
    (cut / "c_3.mcap").rename(cut / "other_2.mcap")
    assert not is_one_bag(cut)


def test_hidden_unfinished_and_linked_folders(tmp_path, folder):
    for name in (".hidden", "x.mcap.part"):
        (folder / name).mkdir()
        (folder / name / "no.mcap").write_bytes(b"")
    (folder / "deep" / "circle").symlink_to(folder)
    assert list(find_bags(folder)) == list(NAMES)


@pytest.mark.parametrize("out", ["in", "in/out", "."])
def test_results_among_the_input_are_refused(tmp_path, folder, use, kit, out, capsys):
    use()
    before = times(tmp_path)
    assert kit.bag(folder, "--out", tmp_path / out) == 1
    assert "choose another --out" in capsys.readouterr().err
    assert times(tmp_path) == before and not (folder / "out").exists()


def test_bad_input(tmp_path, folder, use, kit, capsys):
    use()
    (tmp_path / "empty").mkdir()
    assert kit.bag(tmp_path / "empty", "--out", tmp_path / "out") == 1
    assert "empty holds no bag: expected a ROS 2 bag folder" in capsys.readouterr().err
    assert kit.bag(folder / "a.mcap", "--out", tmp_path / "out.mcap", "--ray") == 1
    assert "is one bag, expected a folder with many bags" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert kit.bag(folder, "--out", tmp_path / "file") == 1
    assert "file is a file, expected a folder" in capsys.readouterr().err
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text('{"name": "a web page"}')
    assert kit.bag(folder, "--out", tmp_path / "out") == 1
    assert "is no manifest of mono_depth bag" in capsys.readouterr().err
    (folder / "a.bag").write_bytes(b"")
    assert kit.bag(folder, "--out", tmp_path / "other") == 1
    assert "a.bag and a.mcap in" in capsys.readouterr().err


def test_two_at_once_are_refused(tmp_path, folder, use, kit, capsys, monkeypatch):
    model, out = use(), tmp_path / "out"
    monkeypatch.setattr("mono_depth_ros.tools.bag.manifest._PATIENCE_S", 0.1)
    with locked(out / "manifest.json"):
        assert kit.bag(folder, "--out", out) == 1
    assert f"process {os.getpid()} on " in capsys.readouterr().err
    with locked(out / "b.db3"):
        assert kit.bag(folder, "--out", out, "--force") == 1
    assert "--force begins anew only where nobody works" in capsys.readouterr().err
    assert not list(out.rglob("*")) and sum(model.batches) == 0


def test_a_bag_that_another_process_works_on_is_taken_when_it_is_free(tmp_path, folder, use, kit, capsys):
    model, out, begun, go = use(), tmp_path / "out", threading.Event(), threading.Event()

    def other():
        with locked(out / "a.mcap"):
            begun.set()
            go.wait(20)

    thread = threading.Thread(target=other)
    thread.start()
    begun.wait()
    model._wait = lambda: len(model.batches) == sum(NAMES.values()) - 4 and go.set()  # with the last but one
    assert kit.bag(folder, "--out", out, "--json") == 0
    thread.join()
    printed = capsys.readouterr()
    assert list(json.loads(printed.out)["done"]) == ["b.db3", "deep/c", "deep/deeper/d.mcap", "a.mcap"]
    assert printed.err.count("a.mcap is left to others: process") == 1
    assert not list(out.rglob(".*"))


def test_workers_that_die_lose_nothing(tmp_path):
    """Three at once; what dies under one is handed out again, and no result is counted twice."""

    class Dying:
        size = 3

        def __init__(self):
            self.under_way, self.most, self.starts = [], 0, []

        def start(self, task):
            self.under_way.append(task)
            self.starts.append((task.name, task.attempt))
            self.most = max(self.most, len(self.under_way))

        def wait(self):
            task = self.under_way.pop()  # the youngest first
            if task.attempt == 1 and int(task.name) % 2:
                return Outcome(task, problem="died")
            return Outcome(task, SUMMARY)

    crew, book = Dying(), Book()
    report = share_out([named(str(index)) for index in range(10)], crew, 2, book, lambda _: None)
    assert sorted(report.done, key=int) == [str(index) for index in range(10)] and not report.failed
    assert crew.most == 3 and len(crew.starts) == 15 == len(set(crew.starts))
    assert sorted(book.written, key=int) == sorted(report.done, key=int)


SUMMARY = {
    "out": "o",
    "written": 1,
    "frames": 1,
    "frames_per_s": 1.0,
    "model": "m",
    "engine": "e",
    "dropped": {},
    "damage": "",
}


def named(name):
    from mono_depth_ros.tools.bag.convert import Job
    from mono_depth_ros.tools.bag.crew import Task

    return Task(name, Job(Path("in"), Path("out")), {})


class Book:
    """A manifest that remembers."""

    def __init__(self):
        self.written = []

    def done(self, name, *_):
        self.written.append(name)

    def refresh(self):
        pass

    def is_done(self, *_):
        return False

    def failed_elsewhere(self, _):
        return ""

    def state(self, _):
        return ""


def test_a_folder_that_was_begun_in_one_engine_goes_on_in_it(tmp_path, folder, use, kit, monkeypatch):
    asked = []

    def load(config):
        asked.append((config.engine, config.precision))
        model.engine = "torch bf16" if config.precision == "bf16" or not asked[1:] else "torch fp16"
        return model

    out, model = tmp_path / "out", use()
    monkeypatch.setattr("mono_depth_ros.models.loading.load_model", load)
    fail_on(monkeypatch, {"d.mcap": 6})
    assert kit.bag(folder, "--out", out) == 1
    values = json.loads((out / "manifest.json").read_text())
    assert values["engine"] == "torch bf16" and values["bags"]["deep/deeper/d.mcap"]["state"] == "failed"
    assert kit.bag(folder, "--out", out) == 1
    del values["engine"]  # as of older versions: the finished bags say it
    (out / "manifest.json").write_text(json.dumps(values))
    assert kit.bag(folder, "--out", out) == 0
    assert asked == [("auto", "auto"), ("torch", "bf16"), ("torch", "bf16")]
    assert kit.bag(folder, "--out", out, "--force") == 0
    assert asked[3] == ("auto", "auto"), "anew is anew"


def test_a_bag_goes_on_in_its_engine_and_with_its_batches(tmp_path, use, kit, maker, monkeypatch):
    asked, source, out = [], tmp_path / "in.mcap", tmp_path / "out.mcap"
    maker.frames(12).write(source)
    begun = use()
    begun.engine, predict = "torch fp16", begun.predict
    monkeypatch.setattr(convert_module, "_CPU_BATCH", 4)

    def failing(rgb, cameras):
        if len(begun.batches) == 2:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return predict(rgb, cameras)

    begun.predict = failing
    assert kit.bag(source, "--out", out, "--segment-frames", "4") == 1

    def load(config):
        asked.append((config.engine, config.precision))
        model.engine = "torch fp16" if config.precision == "fp16" else "torch bf16"
        return model

    model = use()
    monkeypatch.setattr(convert_module, "_CPU_BATCH", 1)
    monkeypatch.setattr("mono_depth_ros.models.loading.load_model", load)
    assert kit.bag(source, "--out", out, "--segment-frames", "4", "--resume") == 0
    assert asked == [("torch", "fp16")] and set(model.batches) == {4} and depths(kit, out) == 12


def test_a_lost_device_ends_the_process_that_has_it(tmp_path, folder, use, kit, capsys):
    model = use()

    def lost(*_):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    model.predict = lost
    assert kit.bag(folder, "--out", tmp_path / "out", "--json") == 1
    printed = json.loads(capsys.readouterr().out)
    assert list(printed["failed"]) == ["a.mcap"] and len(printed["untried"]) == 3


def test_packed_recordings_are_recordings(tmp_path):
    for name in ("run.mcap.zstd", "old.db3.lz4", "other.zst"):
        (tmp_path / name).write_bytes(b"")
    assert list(find_bags(tmp_path)) == ["old.db3.lz4", "run.mcap.zstd"]
    assert [converted_name(name) for name in find_bags(tmp_path)] == ["old.db3", "run.mcap"]
