"""Random damage for faults.py: to files, to configurations, and in command lines."""

import json
import random
import shutil
from pathlib import Path

VALUES = [
    "0",
    "-1",
    "1",
    "1.5",
    "2",
    "7",
    "1e9",
    "1e400",
    "nan",
    "inf",
    "x",
    "",
    "1048576",
    "99999999999",
    "\x00",
    "ü\n",
]
JSON_VALUES = [0, -5, 1, 1.5, 2, 1e9, 10**30, True, None, "x", "", "1", [], {}, [[1]], {"a": 1}, float("nan"), 1e400]
PATHS = ["nowhere", "gs://bucket/run", "file", "file/run", "~nobody/run", "a" * 300, "x/" * 3000, "dangling", "loop"]
PATHS += ["\udcff", "a\nb", "[a]", "back\\slash", "*", "new/run"]


def damage_file(path: Path, rng: random.Random) -> str:
    """Damages a file in a random way. Returns the kind of damage."""
    way = rng.choice(["flip", "flip", "flip", "truncate", "empty", "garbage", "delete", "directory", "text"])
    data = bytearray(path.read_bytes())
    if way == "flip":
        for _ in range(rng.choice([1, 1, 8])):
            if data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif way == "truncate":
        data = data[: rng.randrange(len(data) + 1)]
    elif way == "empty":
        data = b""
    elif way == "garbage":
        data = rng.randbytes(rng.randrange(1, 2000))
    elif way == "text" and data:
        position = rng.randrange(len(data))
        data[position : position + rng.randrange(20)] = rng.choice([b"0", b"\n", b",", b"\xff\xfe", b"9" * 30, b"{"])
    if way in ("delete", "directory"):
        path.unlink()
    if way == "directory":
        path.mkdir()
    elif way != "delete":
        path.write_bytes(data)
    return way


def damage_config(path: Path, rng: random.Random):
    """Changes, adds or removes a value of a config.json, or replaces its whole content."""
    config = json.loads(path.read_text())
    section = config
    if rng.random() < 0.7:
        section = config[rng.choice(["task", "model", "optimizer", "training"])]
    name = rng.choice(list(section))
    way = rng.choice(["change"] * 6 + ["delete", "add", "nest", "list"])
    if way == "change":
        section[name] = rng.choice(
            [*JSON_VALUES, *(-section[name], section[name] * 2)] if _number(section[name]) else JSON_VALUES
        )
    elif way == "delete":
        del section[name]
    elif way == "add":
        section[rng.choice(["colour", "dtype", "name2"])] = rng.choice(JSON_VALUES)
    text = json.dumps([config] if way == "list" else config)
    path.write_text('{"a":' * 100_000 + "1" + "}" * 100_000 if way == "nest" else text)


def _number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def make_places(root: Path):
    """Empties a directory. Then makes the file and the links that PATHS names."""
    for entry in root.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    (root / "file").write_text("")
    (root / "dangling").symlink_to("missing")
    (root / "loop").symlink_to("loop")


def command_line(parser, rng: random.Random) -> list:
    """A random command line. Most have a bad option.

    Args:
        parser: the parser of the command.
        rng: the random numbers.
    """
    actions = [action for action in parser._actions if action.option_strings and action.dest != "help"]
    arguments = []
    for action in rng.sample(actions, rng.randrange(1, 6)):
        flag = rng.choice(action.option_strings)
        if action.nargs == 0:
            arguments.append(flag)
        elif action.choices:
            arguments.append(f"{flag}={rng.choice([*action.choices, 'x', ''])}")
        elif action.metavar in ("DIR", "FILE", "PREFIX", "step-N"):
            arguments.append(f"{flag}={rng.choice(PATHS)}")
        else:
            arguments.append(f"{flag}={rng.choice(VALUES)}")
    return arguments
