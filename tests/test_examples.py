"""The examples run. Here they run with little data and thus learn nothing."""

from pathlib import Path

import numpy as np

from tasks import TASKS

ROOT = Path(__file__).parent.parent
COPY = ROOT / "examples" / "copy_fit.py"


def test_readme_shows_the_example():
    _, code = COPY.read_text().split('"""\n\n')
    assert f"```python\n{code}```" in (ROOT / "README.md").read_text()


def test_copy_fit_runs_on_sequences_with_the_layout_of_the_copy_task(eager_functions, rng):
    source = COPY.read_text()
    assert source.count("10_000") == source.count("1000") == 1
    example = {}
    exec(source.replace("10_000", "3").replace("1000", "3"), example)
    assert np.isfinite(list(example["model"].get_metrics_result().values())).all()
    found = example["copy_data"](rng, [3, 20])
    for i, length in enumerate([3, 20]):
        batch = TASKS["copy"]().batch([1, 2], 1, (length,))
        np.testing.assert_array_equal(found["sample_weight"][i], batch.mask[0])
        np.testing.assert_array_equal(found["x"][i, :, [0, 9]], batch.inputs[0].numpy()[:, [0, 9]].T)
        for inputs, targets in ((found["x"][i], found["y"][i]), (batch.inputs[0].numpy(), batch.targets[0].numpy())):
            np.testing.assert_array_equal(inputs[1 : length + 1, 1:9], targets[length + 2 : 2 * length + 2])
            assert targets.sum() == inputs[:, 1:9].sum() > 0
