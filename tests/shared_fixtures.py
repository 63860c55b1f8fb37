"""Fixtures of several modules, and settings of TensorFlow and Hypothesis."""

import shutil

import filelock
import hypothesis
import numpy as np
import pytest

import experiment.command_line

with experiment.command_line.start():
    import keras
    import tensorflow as tf

    import evaluate
    import reuse
    from commands import SMALL, Fork, running_eagerly, start
    from experiment import loop, solved, start_or_resume
    from experiment.build import build_trainer
    from experiment.config import default_config
    from experiment.run_directory import RunDirectory

# Two logical devices, for the tests of --distribute. All other tests use the first one.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

# Examples have no deadline, because each traces TensorFlow operations. Every run has the same examples.
hypothesis.settings.register_profile("ntm", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.load_profile("ntm")


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(1)


@pytest.fixture
def eager_functions():
    """Runs every tf.function as eager code, to save its compilation."""
    with running_eagerly():
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """The directory of a small run without checkpoints. Its model is untrained."""
    small = {"controller_units": 8, "memory_locations": 9, "memory_width": 5}
    config = default_config().replace(task={"max_length": 3}, model=small)
    trainer = build_trainer(config)
    path = tmp_path_factory.mktemp("small_run")
    with RunDirectory(path, config.to_json()) as run:
        run.start_metrics(0)
        for iteration in (2, 4):
            values = {"loss": 9.0, "hamming_distance": 4.0, "bits_per_sequence": 13.0, "gradient_norm": 1.0}
            run.log({"iteration": iteration, "sequences": iteration, "seconds": 1.0, **values})
        run.record_solved({"iteration": 4, "sequences": 4})
        run.save_model(trainer.model)
    return path


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def finished(workspace, tmp_path_factory, worker_id):
    """An uninterrupted run of 600 iterations in a process of its own, and its output.

    The workers of pytest-xdist share the run. Each module's workspace has a copy of the run in whole/. The programs
    that the run compiled are copied to programs/ in the workspace.
    """
    common = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        common = common.parent
    made = common / "finished"
    with filelock.FileLock(common / "finished.lock"):
        if not made.exists():
            _finish(made)
    shutil.copytree(made, workspace, dirs_exist_ok=True)
    return workspace / "whole", (made / "out").read_text(), (made / "err").read_text()


def _finish(directory):
    programs = directory / "programs"
    programs.mkdir(parents=True)
    process = start(
        "train.py",
        *SMALL,
        "--iterations=600",
        "--run-dir=whole",
        "--figures",
        cwd=directory,
        popen=Fork,
        TF_XLA_FLAGS=f'--tf_xla_persistent_cache_directory="{programs}"',
    )
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    (directory / "out").write_text(out)
    (directory / "err").write_text(err)


@pytest.fixture(scope="session")
def compiled_once():
    """Runs of equal configurations in this process share their compiled programs."""
    shared = reuse.Reuse()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start_or_resume, "build_trainer", shared.trainer)
        patch.setattr(loop, "Evaluator", shared.evaluator)
        patch.setattr(evaluate, "Evaluator", shared.evaluator_of_weights)
        patch.setattr(loop, "Observer", shared.observer)
        yield


@pytest.fixture
def here(workspace, compiled_once, monkeypatch):
    monkeypatch.chdir(workspace)
    monkeypatch.setattr(solved, "SEQUENCES", 20)  # fewer than in a real run, to save time
    return workspace
