"""Exports the networks of the site's page "The machine in the browser": one file browser.js for each network.

The file is a line of JavaScript. It puts the task's options, the model's options and the weights (base64) into the
object `networks` of browser/machine.js. Weights are float32, or bfloat16 if the network's weights were rounded to
bfloat16 (see keep_run.py).
"""

import base64
import json
from pathlib import Path

from experiment.command_line import Parser, file_path, run, start
from experiment.streams import say

with start():
    from benchmarks.keep_run import PRETRAINED
    from experiment import atomic
    from experiment.config_file import read_config
    from experiment.load import load_run

NETWORKS = ("copy", "repeat-copy", "associative-recall", "priority-sort")
OPTIONS = ("read_heads", "write_heads", "memory_locations", "memory_width", "shift_range", "smallest_strength")
EXPECTED = {"controller": "lstm", "output_reads": True, "bounded_vectors": True, "initial_state": "learned"}


def main(argv=None) -> int:
    """Runs the command line `argv` (default: sys.argv[1:]). Returns the exit status."""
    parser = Parser(prog="python -m benchmarks.export_browser", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--dir",
        type=file_path,
        default=str(PRETRAINED),
        metavar="DIR",
        help="where to write NETWORK/browser.js (%(default)s)",
    )
    directory = Path(parser.parse_args(argv).dir)
    for name in NETWORKS:
        path = directory / name / "browser.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_file(path, exported(name, load_run(PRETRAINED / name).model).encode())
        say(str(path))
    return 0


def exported(name: str, model) -> str:
    """The content of browser.js for the model of pretrained/NAME.

    Raises:
        ValueError: the network has an option that browser/machine.js does not compute.
    """
    for option, value in EXPECTED.items():
        if model.options[option] != value:
            raise ValueError(
                f"{name} has {option}={model.options[option]}, and browser/machine.js computes only {value}"
            )
    weights = {
        _name(weight, model): weight.numpy().astype("<f4") for weight in model.weights if weight.dtype == "float32"
    }
    halves = {path: values.view("<u2").reshape(-1, 2) for path, values in weights.items()}  # a number's last bits first
    network = {"task": read_config(PRETRAINED / name)["task"], "options": {key: model.options[key] for key in OPTIONS}}
    if any(pairs[:, 0].any() for pairs in halves.values()):
        network["weights"] = {path: _base64(values) for path, values in weights.items()}
    else:
        network["bfloat16"] = True
        network["weights"] = {path: _base64(pairs[:, 1]) for path, pairs in halves.items()}
    return f'networks["{name}"] = {json.dumps(network)};\n'


def _name(weight, model):
    """A short name, such as "heads/kernel"."""
    return weight.path.removeprefix(f"{model.name}/").removeprefix("cell/")


def _base64(values):
    return base64.b64encode(values.tobytes()).decode()


if __name__ == "__main__":
    run(main)
