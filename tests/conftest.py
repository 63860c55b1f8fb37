"""Sets up the processes that run tests. The controller of pytest-xdist runs none, and does not import TensorFlow."""

import importlib.metadata
import os

import experiment.program_cache

# Compilation takes most of the time. These flags halve it: no optimization by LLVM, and fused operations are compiled
# by LLVM alone, without MLIR. XLA aborts at a flag that it does not know. Only TensorFlow 2.21 gets the second flag.
_FLAGS = "--xla_backend_optimization_level=0"
if importlib.metadata.version("tensorflow").startswith("2.21."):
    _FLAGS += " --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_FLAGS}".strip()

experiment.program_cache.share()  # the processes of pytest-xdist share compiled programs


def pytest_configure(config):
    runs_tests = hasattr(config, "workerinput") or not config.getoption("numprocesses", None)
    if runs_tests:
        config.pluginmanager.import_plugin("shared_fixtures")
