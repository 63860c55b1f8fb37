import json

import numpy as np
import pytest
import tensorflow as tf

from experiment.evaluation import Evaluator, json_line, table
from experiment.seeds import REPORT, stream
from ntm import NTM
from tasks import CopyTask, RepeatCopy


def test_evaluator_counts_wrong_bits():
    """Every logit of the model is its output bias. The model answers 1 in bits 0 to 2, and 0 elsewhere."""
    model = NTM(8, controller_units=12, memory_locations=10, memory_width=8)
    model.build((None, None, 10))
    model.output_layer.kernel.assign(tf.zeros_like(model.output_layer.kernel))
    model.output_layer.bias.assign([9.0] * 3 + [-9.0] * 5)
    evaluator = Evaluator(model, CopyTask(1, 4), (7,), 150, stream(0, REPORT))
    # The sequences of a size do not depend on the evaluator's largest size.
    with_longer = Evaluator(model, CopyTask(1, 4), (30,), 150, stream(0, REPORT)).measure((7,))
    assert with_longer["bit_errors_per_sequence"] == evaluator.measure((7,))["bit_errors_per_sequence"]
    rows = [evaluator.measure((length,)) for length in (1, 7)]
    for row, length in zip(rows, (1, 7)):
        assert (row["task"], row["length"], row["sequences"]) == ("copy", length, 150)
        # Each bit is wrong with probability 1/2: std 0.5 / sqrt(150 * 8 * length).
        assert abs(row["bit_error_rate"] - 0.5) < 5 * 0.5 / np.sqrt(150 * 8 * length)
        np.testing.assert_allclose(row["bit_errors_per_sequence"], row["bit_error_rate"] * 8 * length, rtol=1e-5)
        np.testing.assert_allclose(row["bits_per_sequence"], row["bit_errors_per_sequence"] * 9 / np.log(2), rtol=1e-2)
    assert rows[0]["exact_sequences"] < 0.1 and rows[1]["exact_sequences"] == 0
    assert not evaluator.is_exact((7,))
    assert evaluator._run.experimental_get_tracing_count() == 1
    assert [len(line) for line in table(rows)] == [len(next(table([])))] * 3


@pytest.mark.parametrize("measure", ["measure", "is_exact"])
@pytest.mark.parametrize(
    "task, largest, size, message",
    [
        (CopyTask(1, 4), (7,), (8,), "the size 8 exceeds the evaluator's largest, 7"),
        (CopyTask(1, 4), (7,), (0,), "each number in a size of copy must be at least 1"),
        (CopyTask(1, 4), (7,), (2, 3), "a size of copy has the form length"),
        (RepeatCopy(), (7, 3), (2, 4), "the size 2x4 exceeds the evaluator's largest, 7x3"),
    ],
)
def test_a_size_beyond_the_largest_is_refused(measure, task, largest, size, message):
    model = NTM(task.output_size, controller_units=12, memory_locations=10, memory_width=8)
    model.build((None, None, task.input_size))
    evaluator = Evaluator(model, task, largest, 2, stream(0, REPORT))
    with pytest.raises(ValueError, match=message):
        getattr(evaluator, measure)(size)


def test_a_number_that_is_not_finite_is_null_in_json():
    row = {"task": "copy", "length": 7, "bit_error_rate": float("nan"), "bits_per_sequence": float("inf")}
    expected = {"task": "copy", "length": 7, "bit_error_rate": None, "bits_per_sequence": None}
    assert json.loads(json_line(row), parse_constant=pytest.fail) == expected
