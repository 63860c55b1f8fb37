import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import keras
import numpy as np
import pytest

# Every example traces TensorFlow operations: no deadline, and examples that do not change from run to run.
hypothesis.settings.register_profile("ntm", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.load_profile("ntm")


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(1)


@pytest.fixture
def rng():
    return np.random.default_rng(1)
