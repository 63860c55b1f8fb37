"""Fields of the configuration's dataclasses: each carries its help text and the range of its values."""

import argparse
import dataclasses
import inspect
import typing


def option(parse, text: str, default=dataclasses.MISSING):
    """A field that becomes an option of train.py.

    Args:
        parse: a function from text to a value, which refuses values out of range. A tuple holds the names to choose
            from. None means a boolean.
        text: the help text of the option.
        default: the default value. Without it, `defaults_of` gives the default.
    """
    return dataclasses.field(default=default, metadata={"parse": parse, "help": text})


def defaults_of(*constructors):
    """A class decorator: each field without a default gets the default of the constructor argument of the same name.

    The default of a constructor argument thus stands in one place. Place the decorator below `dataclasses.dataclass`.

    Args:
        *constructors: classes whose constructors have the arguments.
    """
    parameters = {}
    for constructor in constructors:
        parameters |= inspect.signature(constructor).parameters

    def decorate(cls):
        for name, field in vars(cls).items():
            if isinstance(field, dataclasses.Field) and field.default is dataclasses.MISSING:
                field.default = parameters[name].default
        return cls

    return decorate


def names(section) -> list:
    """The names of the fields of a dataclass, or of an instance of it, without the field `name`."""
    return [field.name for field in dataclasses.fields(section) if field.name != "name"]


def check_values(section, values: dict, owner: str):
    """Checks values that are meant for the fields of a dataclass.

    Args:
        section: the dataclass, or an instance of it.
        values: a dict from names of fields to values.
        owner: the name of the configured object in messages, such as "the task copy".

    Raises:
        ValueError: a name is unknown, or a value has the wrong type or is out of its option's range.
    """
    fields = {field.name: field for field in dataclasses.fields(section) if field.name in names(section)}
    for name, value in values.items():
        if name not in fields:
            raise ValueError(f"{name}={value} means nothing to {owner}")
        allowed = typing.get_args(fields[name].type) or (fields[name].type,)
        if type(value) not in allowed and not (type(value) is int and float in allowed):
            raise ValueError(f"{name} cannot be {value!r}")
        _check_range(name, value, fields[name].metadata.get("parse"))


def _check_range(name, value, parse):
    """Refuses a value that the command line would refuse. `parse` is as in `option`."""
    if value is None or parse is None:
        return
    if isinstance(parse, tuple):
        if value not in parse:
            raise ValueError(f"{name} cannot be {value!r}, only one of {', '.join(parse)}")
        return
    try:
        parse(repr(value))
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"{name}: {error}") from None
