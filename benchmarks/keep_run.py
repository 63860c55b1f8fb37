"""Copies a finished run into pretrained/: `python -m benchmarks.keep_run runs/... priority-sort`.

Copies config.json, metrics.csv, model.keras and, if the run has it, solved.json. If model.keras is larger than
MAX_BYTES, each weight is rounded to bfloat16, which keeps 8 of 24 significant bits, and the file is compressed. Keras
loads this file like any other. `python -m benchmarks.export_browser` then writes the files for the browser again.
"""

import shutil
import tempfile
import zipfile
from pathlib import Path

from experiment.command_line import Parser, file_path, run, start
from experiment.streams import say

with start():
    import tensorflow as tf

    from experiment import atomic
    from experiment.config_file import load_config
    from experiment.errors import CheckpointError, RunError, file_and_reason
    from experiment.load import load_weights
    from experiment.run_directory import MODEL

PRETRAINED = Path(__file__).parent.parent / "pretrained"
MAX_BYTES = 1_000_000


def main(argv=None) -> int:
    """Runs the command line `argv` (default: sys.argv[1:]). Returns the exit status."""
    parser = Parser(prog="python -m benchmarks.keep_run", description=__doc__.partition("\n")[0])
    parser.add_argument("run_dir", type=file_path, metavar="RUN", help="the directory of a finished run")
    parser.add_argument("name", metavar="NAME", help="the name of a new directory in --dir")
    parser.add_argument(
        "--dir", type=file_path, default=str(PRETRAINED), metavar="DIR", help="where to make NAME (%(default)s)"
    )
    arguments = parser.parse_args(argv)
    if not arguments.name or Path(arguments.name).name != arguments.name:
        parser.error(f"argument NAME: {arguments.name!r} is not the name of a directory")
    parser.make_directory("--dir", arguments.dir)
    try:
        keep(Path(arguments.run_dir), Path(arguments.dir) / arguments.name)
    except FileExistsError as error:
        parser.error(f"argument NAME: {error.filename} exists")
    except (RunError, CheckpointError) as error:
        parser.error(error)
    except OSError as error:
        parser.error(file_and_reason(error))
    return 0


def keep(run_dir: Path, directory: Path):
    """Makes `directory` with the main files of a run.

    Raises:
        RunError: the run is missing or damaged.
        CheckpointError: the run is not finished, or its model.keras is damaged.
        FileExistsError: `directory` exists.
        OSError: a file cannot be read or written.
    """
    load_config(run_dir)
    model = load_weights(run_dir / MODEL).model
    with atomic.creating_directory(directory) as made:
        for name in ("config.json", "metrics.csv", MODEL):
            shutil.copyfile(run_dir / name, made / name)
        if (run_dir / "solved.json").exists():
            shutil.copyfile(run_dir / "solved.json", made / "solved.json")
        if (made / MODEL).stat().st_size > MAX_BYTES:
            save_small(model, made / MODEL)
    say(f"{directory / MODEL}: {(directory / MODEL).stat().st_size:,} bytes")


def save_small(model, path: Path):
    """Rounds the weights of a model to bfloat16 and saves it in a compressed file."""
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(tf.cast(tf.cast(weight, tf.bfloat16), tf.float32))
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / MODEL
        model.save(large)
        with zipfile.ZipFile(large) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as compressed:
            for name in source.namelist():
                compressed.writestr(name, source.read(name))


if __name__ == "__main__":
    run(main)
