"""record.json: what a run directory held when a checkpoint was written.

Each checkpoint has a record beside the tensors. --resume compares the run directory with the record, and so finds
lost or changed data. If there is no record, as in checkpoints of earlier versions, --resume says that it cannot notice
changes.
"""

import json
import zlib
from pathlib import Path
from typing import NamedTuple

from experiment import atomic

NAME = "record.json"


class Record(NamedTuple):
    """What a run directory held."""

    config: dict  # the content of config.json
    rows: dict  # the rows of metrics.csv: from iterations to checksums, see `row_checksum`
    solved: dict | None  # the content of solved.json
    details: dict  # from the tags of the events in details/ to lists [number of events, last iteration]


def row_checksum(text: str) -> int:
    """The checksum of a row of metrics.csv, given without its line break."""
    return zlib.crc32(text.encode())


def write_record(directory: Path, record: Record):
    """Writes the record of a checkpoint to its directory."""
    content = json.dumps(record._asdict(), separators=(",", ":"))
    atomic.write_file(directory / NAME, json.dumps({"crc32": zlib.crc32(content.encode()), "record": content}).encode())


def read_record(directory: Path) -> Record:
    """Reads the record of a checkpoint.

    Raises:
        ValueError: the record is missing or damaged.
    """
    try:
        outer = json.loads(atomic.read_file(directory / NAME))
        if zlib.crc32(outer["record"].encode()) != outer["crc32"]:
            raise ValueError
        record = Record(**json.loads(outer["record"]))
        return record._replace(rows={int(iteration): checksum for iteration, checksum in record.rows.items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        state = "missing" if isinstance(error, FileNotFoundError) else "damaged"
        raise ValueError(f"{directory / NAME} is {state}: changes of other files cannot be noticed") from None
