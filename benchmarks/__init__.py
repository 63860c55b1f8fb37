"""Measurements behind the claims of README and docs: `python -m benchmarks.<name>`."""
