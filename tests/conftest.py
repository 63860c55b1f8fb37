"""Sets up the processes that run tests. The controller of pytest-xdist runs none, and does not import TensorFlow."""

import os

import experiment.program_cache

# Compilation takes most of the time. Without LLVM's optimization it takes a sixth less.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0".strip()

experiment.program_cache.share()  # among the processes of pytest-xdist


def pytest_configure(config):
    runs_tests = hasattr(config, "workerinput") or not config.getoption("numprocesses", None)
    if runs_tests:
        config.pluginmanager.import_plugin("shared_fixtures")
