"""evaluate.py from the command line, with valid and invalid options."""

import json
import shutil

import numpy as np
import pytest

import evaluate
import train
from commands import refused
from experiment import solved
from experiment.checkpoints import model_variables, save_checkpoint
from experiment.load import load_run
from ntm import NTM


def test_evaluate_prints_a_table_or_json(finished, here, capsys):
    assert evaluate.main(["--run-dir=whole", "--lengths=2,4", "--sequences=30"]) == 0
    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[:2] for row in rows] == [["2", "30"], ["4", "30"]]
    assert evaluate.main(["--run-dir=whole", "--lengths=2,4", "--sequences=30", "--format=json"]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [sorted(row) for row in objects] == [
        [
            "bit_error_rate",
            "bit_errors_per_sequence",
            "bits_per_sequence",
            "exact_sequences",
            "least_bits_per_sequence",
            "length",
            "sequences",
            "size",
            "task",
        ]
    ] * 2
    assert f"{objects[0]['bit_errors_per_sequence']:.3f}" == rows[0].split()[2]


def test_evaluate_repeats_the_table_of_a_run(finished, here, capsys):
    """With the run's seed, evaluate.py prints the same table as the run."""
    _, out, _ = finished
    assert evaluate.main(["--run-dir=whole"]) == 0
    table = capsys.readouterr().out
    assert table in out
    assert evaluate.main(["--run-dir=whole", "--checkpoint=step-200"]) == 0
    assert capsys.readouterr().out not in out


def test_evaluate_reads_a_saved_model(finished, here, capsys):
    assert evaluate.main(["--weights=whole/model.keras", "--lengths=2,4", "--sequences=30"]) == 0
    saved = capsys.readouterr().out
    assert evaluate.main(["--run-dir=whole", "--lengths=2,4", "--sequences=30"]) == 0
    assert capsys.readouterr().out == saved


def test_a_size_of_two_numbers_and_a_model_without_memory(here, capsys, monkeypatch):
    monkeypatch.setattr(solved, "SEQUENCES", 2)
    small = "--controller-units=8", "--controller-layers=2", "--max-length=2", "--max-repeats=3"
    assert train.main(["--task=repeat-copy", "--model=lstm", *small, "--iterations=20", "--run-dir=lstm"]) == 0
    assert "10x20" in capsys.readouterr().out
    drawn = {path.stem for path in (here / "lstm").glob("*.png")}
    assert drawn == {"sequence", "learning_curves"}
    found = []
    for source in ("--run-dir=lstm", "--weights=lstm/model.keras"):
        assert evaluate.main([source, "--lengths=1x2,3x1", "--sequences=5", "--format=json"]) == 0
        found.append([json.loads(line) for line in capsys.readouterr().out.splitlines()])
    assert [(row["task"], row["size"], row["length"], row["repeats"]) for row in found[0]] == [
        ("repeat-copy", "1x2", 1, 2),
        ("repeat-copy", "3x1", 3, 1),
    ]
    assert found[0] == found[1]  # the config.json beside the model has the bounds of the task
    task = "lstm/config.json has the task repeat-copy, not copy"
    assert task in refused(capsys, evaluate.main, "--weights=lstm/model.keras", "--task=copy")
    assert "--lengths: 3: a size of repeat-copy has the form length x repeats" in refused(
        capsys, evaluate.main, "--run-dir=lstm", "--lengths=3"
    )


def test_evaluate_gives_a_model_a_longer_memory(finished, here, capsys):
    found = []
    for options in ([], ["--memory-locations=9"], ["--memory-locations=40"]):
        assert evaluate.main(["--run-dir=whole", "--lengths=4", "--sequences=30", "--format=json", *options]) == 0
        found.append(json.loads(capsys.readouterr().out)["bits_per_sequence"])
    assert found[0] == found[1] != found[2]
    line = refused(capsys, evaluate.main, "--run-dir=whole", "--memory-locations=8")
    assert "--memory-locations=8 is below the model's 9" in line


def test_evaluate_refuses_damaged_and_unfitting_models(finished, here, capsys):
    _, model = load_run(here / "whole")
    model.save(here / "good.keras")
    content = bytearray((here / "good.keras").read_bytes())
    for position in np.linspace(0, len(content) - 1, 12).astype(int):
        changed = content.copy()
        changed[position] ^= 0xFF
        (here / "changed.keras").write_bytes(changed)
        try:
            evaluate.main(
                ["--weights=changed.keras", "--lengths=1", "--sequences=1"]
            )  # may succeed, because no checksum covers some bytes of a zip file
        except SystemExit as stop:
            assert stop.code == 2
        assert "changed.keras" in (err := capsys.readouterr().err) or err == ""
    other = NTM(8, controller_units=5, memory_locations=9, memory_width=5)
    other.build((None, None, 3))
    other.save(here / "other.keras")
    assert "3 inputs" in refused(capsys, evaluate.main, "--weights=other.keras")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused_in_one_line(small_run, tmp_path, capsys, value):
    _, model = load_run(small_run)
    kernel = model.output_layer.kernel.numpy()
    kernel[0, 0] = value
    model.output_layer.kernel.assign(kernel)
    shutil.copy(small_run / "config.json", tmp_path)
    model.save(tmp_path / "model.keras")
    words = "holds weights that are not finite, in model/output/kernel"
    for source in (f"--weights={tmp_path / 'model.keras'}", f"--run-dir={tmp_path}"):
        assert f"model.keras {words}" in refused(capsys, evaluate.main, source)
    (tmp_path / "checkpoints").mkdir()
    save_checkpoint(tmp_path, model_variables(model), 4)
    assert f"step-4 {words}" in refused(capsys, evaluate.main, f"--run-dir={tmp_path}")


@pytest.mark.parametrize(
    "section, content, words",
    [
        ("model", {"name": "gru"}, "no model is named 'gru'; choose from ntm-lstm, ntm-feedforward, lstm"),
        ("task", {"name": "sort"}, "no task is named 'sort'; choose from copy, repeat-copy, associative-recall"),
        ("task", {}, "task must be an object with a name"),
    ],
)
def test_a_config_json_with_an_unknown_name_is_refused_in_one_line(
    small_run, tmp_path, capsys, section, content, words
):
    config = json.loads((small_run / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, section: content}))
    shutil.copy(small_run / "model.keras", tmp_path)
    sources = [f"--run-dir={tmp_path}"]
    if section == "task":  # --weights reads no other section
        sources.append(f"--weights={tmp_path / 'model.keras'}")
    for source in sources:
        line = refused(capsys, evaluate.main, source)
        assert f"{tmp_path}/config.json" in line and words in line


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], ["--run-dir", "--weights"]),
        (["--run-dir=nowhere"], ["nowhere holds no run"]),
        (["--run-dir=whole", "--checkpoint=step-7"], ["step-7 is missing; whole has step-600, step-500, "]),
        (["--weights=nowhere.keras"], ["nowhere.keras"]),
        (["--reference-checkpoint=nowhere"], ["nowhere.index is missing"]),
        (["--weights=whole/config.json"], ["whole/config.json"]),
        (["--weights=whole"], ["whole is not a file"]),
        (["--run-dir=whole", "--task=copy"], ["--task", "copy", "--weights"]),
        (["--weights=x.keras", "--checkpoint=step-7"], ["--checkpoint", "step-7", "--run-dir"]),
        (["--run-dir=whole", "--lengths=0"], ["--lengths", "'0'"]),
        (["--run-dir=whole", "--lengths=10,,20"], ["--lengths", "''"]),
        (["--run-dir=whole", "--lengths=10x2"], ["--lengths", "10x2", "length"]),
        (["--run-dir=whole", "--lengths=2097152"], ["--lengths", "'2097152'"]),
        (["--run-dir=whole", "--sequences=0"], ["--sequences", "'0'"]),
        (["--run-dir=whole", "--format=xml"], ["--format", "'xml'"]),
        (["--run-dir=whole", "--length=3"], ["--length=3"]),
    ],
)
def test_evaluate_refuses_in_one_line(finished, here, capsys, arguments, words):
    line = refused(capsys, evaluate.main, *arguments)
    for word in words:
        assert word in line
