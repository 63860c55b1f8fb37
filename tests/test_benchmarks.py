"""Tests that the benchmarks run, not the numbers that they measure."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import (
    carried_state,
    convergence,
    figures,
    keep_run,
    literal_sharpening,
    paper,
    paper_locations,
    paper_sequences,
    results,
    shift_forms,
    sweep,
)
from commands import SMALL
from experiment.build import build_trainer
from experiment.config import default_config
from experiment.load import load_run
from ntm.addressing import shift
from tasks.ngrams import NGrams


def test_literal_sharpening_runs_both_forms(eager_functions, capsys):
    literal_sharpening.main(["--max-length=2", "--iterations=5", "--seeds=1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["pow and divide", "softmax of log"]
    # Both forms train alike while no weighting underflows.
    assert lines[0].partition(":")[2] == lines[1].partition(":")[2]


def test_the_controller_state_is_carried_from_one_sequence_to_the_next(eager_functions):
    small = {"controller_units": 5, "memory_locations": 7, "memory_width": 4}
    config = default_config(preset="reference").replace(model=small)
    trainer = build_trainer(config, model_class=carried_state.CarryingNTM)
    assert not any(variable.numpy().any() for variable in trainer.model.carried)
    assert trainer.advance(3)
    assert all(variable.numpy().any() for variable in trainer.model.carried)


def test_a_kept_run_has_the_weights_of_the_run(small_run, tmp_path, monkeypatch, capsys):
    weights = load_run(small_run).model.get_weights()
    assert keep_run.main([str(small_run), "whole", f"--dir={tmp_path}"]) == 0
    for kept, weight in zip(load_run(tmp_path / "whole").model.get_weights(), weights):
        np.testing.assert_array_equal(kept, weight)
    monkeypatch.setattr(keep_run, "MAX_BYTES", 1000)
    assert keep_run.main([str(small_run), "rounded", f"--dir={tmp_path}"]) == 0
    for kept, weight in zip(load_run(tmp_path / "rounded").model.get_weights(), weights):
        np.testing.assert_allclose(kept, weight, rtol=2**-8)  # bfloat16 keeps 8 significant bits
        assert not (kept.view(np.uint32) & 0xFFFF).any()
    sizes = [(tmp_path / name / "model.keras").stat().st_size for name in ("whole", "rounded")]
    assert sizes[0] > sizes[1] and f"{sizes[1]:,} bytes" in capsys.readouterr().out


def test_a_kept_run_replaces_no_other(small_run, tmp_path, capsys):
    (tmp_path / "copy").mkdir()
    with pytest.raises(SystemExit, match="2"):
        keep_run.main([str(small_run), "copy", f"--dir={tmp_path}"])
    assert f"argument NAME: {tmp_path / 'copy'} exists" in capsys.readouterr().err
    assert not list((tmp_path / "copy").iterdir())


@pytest.mark.parametrize(
    "form, locations, reach",
    [
        (shift_forms.fft_shift, 8, 2),
        (shift_forms.fft_shift, 9, 1),
        (shift_forms.circulant_shift, 7, 3),
        (shift_forms.convolution_shift, 7, 1),
        (shift_forms.looped_shift, 7, 2),
    ],
)
def test_other_forms_of_the_shift_agree_with_the_shift(form, locations, reach, rng):
    weightings = tf.constant(rng.dirichlet(np.ones(locations), [1, 1]), tf.float32)
    shifts = tf.constant(rng.dirichlet(np.ones(2 * reach + 1), [1, 1]), tf.float32)
    np.testing.assert_allclose(form(weightings, shifts), shift(weightings, shifts), atol=1e-6)


def test_convergence_trains_seeds_and_resumes(tmp_path, monkeypatch, capsys):
    common = ["--sequences=5", f"--dir={tmp_path / 'c'}", *SMALL, "--iterations=200"]
    assert convergence.main(["--seeds=1", "--first-seed=3", *common]) == 0
    assert "solved: 0 of 1" in capsys.readouterr().out
    trained = []
    monkeypatch.setattr(sweep, "train", lambda job: trained.append(job) or TRAIN(job))
    monkeypatch.setattr(sweep, "run_script", lambda *arguments: pytest.fail(f"{arguments} ran again"))
    assert convergence.main(["--seeds=1", "--first-seed=3", *common]) == 0
    assert len(trained) == 1
    with (tmp_path / "c" / "convergence.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["seed"], row["sequences"], row["solved_at"], row["ended"]) == ("3", "200", "", "")
    assert float(row["wrong_bits_120"]) > 100
    assert (tmp_path / "c" / "convergence.png").stat().st_size > 1000
    with pytest.raises(SystemExit, match="2"):
        convergence.main(["--seeds=1", "--first-seed=3", *common, "--learning-rate=1e-3"])
    assert "holds runs of other options" in capsys.readouterr().err


TRAIN = sweep.train


def test_results_reports_only_finished_runs(small_run, tmp_path):
    for run, wrong in (("copy-ntm-lstm/seed-0", 2.0), ("copy-ntm-lstm/seed-1", 4.0), ("copy-lstm/seed-0", None)):
        shutil.copytree(small_run, tmp_path / run)
        if wrong is not None:
            errors = {"ended": "", "wrong_bits_20": wrong, "bits_20": 2 * wrong}
            (tmp_path / run / "errors.json").write_text(json.dumps(errors))
    results.report(tmp_path)
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["wrong_bits_20"], row["bits_in_training"]) for row in rows] == [
        ("ntm-lstm", "2.0", "13.0"),
        ("ntm-lstm", "4.0", "13.0"),
    ]
    _, _, *lines = (tmp_path / "results.md").read_text().splitlines()
    (line,) = lines
    assert line.split(" | ")[2:] == ["2", "30,000", "0.0", "4, 4", "13 (13 to 13)", "20", "3 (2 to 4)", "6 (4 to 8) |"]
    assert (tmp_path / "results.png").stat().st_size > 1000


def test_figures_draws_every_figure_of_a_run(small_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(figures, "UPDATES_PER_FRAME", 2)
    assert figures.main([f"--run-dir={small_run}", f"--out={tmp_path / 'out'}"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"memory_map.png", "generalisation.png", "learning_curves.png", "heads.gif"}
    with pytest.raises(SystemExit, match="2"):
        figures.main([f"--run-dir={tmp_path / 'none'}"])
    assert "holds no run" in capsys.readouterr().err


def test_figure_8_is_drawn_and_its_repetitions_are_counted(tmp_path, capsys):
    assert paper.main(["--figure=8", "--sequences=2", f"--out={tmp_path}"]) == 0
    assert (tmp_path / "figure8.png").stat().st_size > 1000
    lines = capsys.readouterr().out.splitlines()
    exact, markers = (json.loads(line.partition(": sequences with")[2].partition(": ")[2]) for line in lines[2:4])
    assert len(exact) == len(markers) == 20
    assert exact[:10] == [2] * 10 and markers[:10] == [0] * 10


def test_all_draws_the_figures_that_the_runs_allow(small_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paper_sequences, "COPY_LENGTHS", (2, 3))
    assert paper.main(["--all", f"--runs={small_run}", "--sequences=2", f"--out={tmp_path}"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"figure3.png", "figure4.png", "figure6.png"}
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.startswith("length")).endswith("of 16, 2 sequences")
    assert f"figure 5 is not drawn: {small_run} holds no run of copy, lstm" in lines
    assert sum("is not drawn" in line for line in lines) == len(paper.FIGURES) - 3
    with pytest.raises(SystemExit, match="2"):
        paper.main(["--figure=7", f"--runs={small_run}", f"--out={tmp_path}"])
    assert f"{small_run} holds no run of repeat-copy" in capsys.readouterr().err


def test_figures_of_ngrams_and_sort_are_drawn(tmp_path, capsys):
    for number in (14, 15, 17):
        assert paper.main([f"--figure={number}", "--sequences=4", f"--out={tmp_path}"]) == 0
        assert (tmp_path / f"figure{number}.png").stat().st_size > 1000
    lstm, feedforward, _, reading, writing, following, shared, _, *heads, _ = capsys.readouterr().out.splitlines()
    for line, model in (lstm, "ntm-lstm"), (feedforward, "ntm-feedforward"):
        assert line.startswith(f"{model}: ") and 0 < float(line.rpartition(" ")[2]) < 0.1
    numbers = [("ntm-lstm", range(1, 6)), ("ntm-feedforward", range(1, 9))]
    expected = [f"{model}, write head {number}" for model, heads_of_model in numbers for number in heads_of_model]
    assert [line.partition(":")[0] for line in heads] == expected
    assert shared.startswith("pairs of contexts that share a location: 0; these contexts cost 0.00 of ")
    # A network that keeps a list of the bits, and no table of contexts, had 0.598, 0.003 and 0.429.
    assert all(float(re.search(r"[01]\.\d+", line)[0]) > 0.5 for line in (reading, writing, following))


def test_the_overlap_of_weightings_tells_contexts_apart():
    bits = np.array([[0, 1, 1, 0, 1, 0, 0]])
    weightings = 3 * np.eye(2)[[[0, *bits[0, :-1]]]]  # the location of step t is the value of bit t - 1
    assert paper_locations.context_overlap(bits, weightings, 1) == (1, 0)
    assert paper_locations.context_overlap(bits, np.eye(7)[np.newaxis], 1) == (0, 0)


def test_contexts_that_share_a_location_are_found():
    bits = np.array([[0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0]])
    contexts = [0b00, 0b01, 0b11, 0b10, 0b01, 0b10, 0b00, 0b01, 0b11]  # the first two bits have none
    apart = np.concatenate([np.zeros([2, 4]), np.eye(4)[contexts]])[np.newaxis]
    assert paper_locations.shared_locations(bits, apart, 2) == []
    together = apart.copy()
    together[..., 0b00] += together[..., 0b10]  # context 10 now goes to the location of 00, and a little to its own
    together[..., 0b10] *= 0.25
    (pair,) = paper_locations.shared_locations(bits, together, 2)
    assert pair.contexts == (0b00, 0b10)
    np.testing.assert_allclose(pair.overlap, 1 / np.hypot(1, 0.25))
    without_10 = slice(0, 5)  # a context that never occurs is in no pair
    assert paper_locations.shared_locations(bits[:, without_10], together[:, without_10], 2) == []


def test_the_cost_above_the_optimum_is_that_of_the_bits_after_each_context():
    task = NGrams(6, 6, 2)
    targets = tf.constant([[0, 0, 1, 1, 1, 0]], tf.float32)[..., tf.newaxis]
    batch = task.batch((0, 0), 1)._replace(targets=targets)
    # The bits after the contexts 00, 01, 11 and again 11. The optimal estimator has seen a 1 after 11 at the last step
    # and predicts a 1 with probability 3/4; the bit is 0. Otherwise it knows nothing.
    logits = np.full([1, 6, 1], np.log(3), np.float32)  # the network always predicts a 1 with probability 3/4
    gain = np.log2(0.75) - np.log2(0.5)
    expected = [-gain, -gain, 0, -gain]  # for 00, 01, 10 and 11: the last bit costs both 2 bits
    np.testing.assert_allclose(paper_locations.excess_by_context(task, batch, logits), expected, atol=1e-6)


def test_a_linear_function_of_priorities_is_found_across_the_end_of_the_memory(rng):
    priorities = rng.uniform(-1, 1, [50, 4])
    weightings = np.eye(128)[np.round(120 + 20 * priorities).astype(int) % 128]
    fit = paper_locations.fit_locations(priorities, weightings)
    np.testing.assert_allclose([fit.slope, fit.offset % 128, fit.correlation], [20, 120, 1], rtol=0.01)
    assert paper_locations.fit_locations(priorities, weightings[:1, :1].repeat(50, 0).repeat(4, 1)).correlation == 0


def test_the_overlap_of_weightings_tells_priorities_apart(rng):
    priorities = rng.permutation(np.linspace(-1, 1, 2000)).reshape(100, 20)
    by_priority = np.eye(4)[np.digitize(priorities, [-0.5, 0, 0.5])]
    by_time = np.broadcast_to(np.eye(4)[np.arange(20) % 4], [100, 20, 4])
    np.testing.assert_allclose(paper_locations.priority_overlap(priorities, by_priority), (1, 0.25), atol=0.01)
    np.testing.assert_allclose(paper_locations.priority_overlap(priorities, by_time), (0.25, 0.25), atol=0.05)
