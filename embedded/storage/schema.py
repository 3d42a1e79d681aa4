"""Checks of request bodies, with the coercions and the messages of Storage's own (Ajv).

Storage coerces scalars: ``"60"`` is a valid integer and ``5`` a valid string, null is the empty
value of each, a list of one is its element, and an element is a list of one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from embedded.storage import errors

_TRUE: Final = (True, "true", 1)
_FALSE: Final = (False, "false", 0, None)


class Check(Protocol):
    """What a value must be."""

    def coerced(self, value: object, path: str) -> object:
        """Return the value as this type.

        ``path`` names it in messages. Raises StorageError if it is not valid.
        """
        ...


@dataclass(frozen=True)
class Text:
    """A string, one of ``choices`` if there are any."""

    choices: tuple[str, ...] = ()

    def coerced(self, value: object, path: str) -> str:
        """Return a string."""
        value = _element(value)
        if isinstance(value, dict | list):
            raise _wrong(f"{path} must be string")
        text = _as_text(value)
        if self.choices and text not in self.choices:
            raise _wrong(f"{path} must be equal to one of the allowed values")
        return text


@dataclass(frozen=True)
class Integer:
    """An integer, not less than ``minimum``."""

    minimum: int

    def coerced(self, value: object, path: str) -> int:
        """Return an integer."""
        number = _as_integer(_element(value))
        if number is None:
            raise _wrong(f"{path} must be integer")
        if number < self.minimum:
            raise _wrong(f"{path} must be >= {self.minimum}")
        return number


@dataclass(frozen=True)
class Boolean:
    """A boolean."""

    def coerced(self, value: object, path: str) -> bool:
        """Return a boolean."""
        value = _element(value)
        if not isinstance(value, dict | list):
            if value in _TRUE:
                return True
            if value in _FALSE:
                return False
        raise _wrong(f"{path} must be boolean")


@dataclass(frozen=True)
class Texts:
    """A list of strings; null is None if ``nullable``."""

    minimum: int = 0
    maximum: int | None = None
    nullable: bool = False

    def coerced(self, value: object, path: str) -> list[str] | None:
        """Return a list."""
        if value is None and self.nullable:
            return None
        if isinstance(value, dict):
            raise _wrong(f"{path} must be array")
        elements = value if isinstance(value, list) else [value]
        if self.maximum is not None and len(elements) > self.maximum:
            raise _wrong(f"{path} must NOT have more than {self.maximum} items")
        if len(elements) < self.minimum:
            raise _wrong(f"{path} must NOT have fewer than {self.minimum} items")
        return [Text().coerced(each, f"{path}/{n}") for n, each in enumerate(elements)]


@dataclass(frozen=True)
class Record:
    """An object; properties that it does not know stay as they are."""

    properties: Mapping[str, Check]
    required: tuple[str, ...] = field(default=())

    def coerced(self, value: object, path: str = "body") -> dict[str, Any]:
        """Return an object with its properties coerced."""
        value = _element(value)
        if not isinstance(value, dict):
            raise _wrong(f"{path} must be object")
        for name in self.required:
            if name not in value:
                raise _wrong(f"{path} must have required property '{name}'")
        checked = {
            name: check.coerced(value[name], f"{path}/{name}")
            for name, check in self.properties.items()
            if name in value
        }
        return {**value, **checked}


def _wrong(message: str) -> errors.StorageError:
    return errors.invalid_body(message)


def _element(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _as_integer(value: object) -> int | None:
    """Return an integer, None for what is not one."""
    if value is None:
        return 0
    if not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number) or not number.is_integer():
        return None
    return int(value) if isinstance(value, int) else int(number)
