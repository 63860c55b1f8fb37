import numpy as np
import pytest
import tensorflow as tf

from experiment.observation import Observer
from ntm import NTM
from tasks import CopyTask

TASK = CopyTask(1, 4)


@pytest.fixture
def model():
    model = NTM(TASK.output_size, controller_units=6, memory_locations=9, memory_width=4, read_heads=2)
    model.build((None, None, TASK.input_size))
    return model


def test_an_observation_holds_the_outputs_for_the_sequence_of_a_seed(model):
    observer = Observer(model, TASK)
    for length in (7, 3):  # length 7 is beyond the task's bounds
        seen = observer.observe((length,), tf.constant([1, 2]))
        assert seen.inputs.shape == (2 * length + 2, 10) and seen.targets.shape == (2 * length + 2, 8)
        assert seen.answer_at == length + 2
        np.testing.assert_array_equal(seen.targets[seen.answer_at :], seen.inputs[1 : length + 1, 1:9])
        np.testing.assert_allclose(seen.outputs, tf.sigmoid(model(seen.inputs[np.newaxis]))[0], rtol=1e-5)
        assert seen.read_weightings.shape == (2 * length + 2, 2, 9)
    other = observer.observe((3,), tf.constant([1, 3]))
    assert np.any(other.inputs != seen.inputs)


def test_the_addressing_of_a_head_starts_from_its_previous_weighting(model):
    seen = Observer(model, TASK).observe((3,), tf.constant([1, 2]))
    for kind, head, weightings in (
        ("read", 1, seen.read_weightings[:, 1]),
        ("write", 0, seen.write_weightings[:, 0]),
    ):
        first, third = (seen.addressing(step, kind, head) for step in (0, 2))
        np.testing.assert_array_equal(third["previous"], seen.addressing(1, kind, head)["weighting"])
        np.testing.assert_allclose(third["weighting"], weightings[2], rtol=1e-5)
        gated = third["gate"] * third["content"] + (1 - third["gate"]) * third["previous"]
        np.testing.assert_allclose(third["gated"], gated, rtol=1e-5)
        initial = getattr(model.initial_state(1), f"{kind}_weightings")[0, head]
        np.testing.assert_array_equal(first["previous"], initial)
