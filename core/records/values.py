"""Values of a JSON field that are lists or objects: which text in them is meant."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

_MAX_VALUES: Final = 50
"""Values of a list that are looked at."""
_ADDRESS_KEYS: Final = ("value", "email", "address", "emailAddress", "mail", "addr")
_NAME_KEYS: Final = ("displayName", "fullName", "value", "name", "formatted", "unstructuredName")
"""Keys of an object that hold the value itself."""
_FIRST_NAME_KEYS: Final = ("givenName", "given_name", "given", "firstName", "first_name", "first")
_LAST_NAME_KEYS: Final = ("familyName", "family_name", "family", "lastName", "last_name", "last")
_ALL_KEYS: Final = (*_NAME_KEYS, *_FIRST_NAME_KEYS, *_LAST_NAME_KEYS)


def flattened(value: object, value_in: Callable[[Mapping[str, Any]], object]) -> Iterator[object]:
    """Yield the values of a field: of a list each one, the primary one first; of objects theirs.

    What has no known text is yielded as it is, and is a rejection.
    """
    if not isinstance(value, list | Mapping):
        yield value
        return
    values = value if isinstance(value, list) else [value]
    for each in sorted(values[:_MAX_VALUES], key=lambda each: not _is_primary(each)):
        yield value_in(each) if isinstance(each, Mapping) else None if each == [] else each


def address_in(value: Mapping[str, Any]) -> object:
    """Return the address in an object; None if it is empty, the object if it has no known key."""
    return _first_of(value, _ADDRESS_KEYS) or _without(value, _ADDRESS_KEYS)


def name_in(value: Mapping[str, Any], *, family_name_first: bool) -> object:
    """Return the name in an object, or its halves joined; else as ``address_in``."""
    if name := _first_of(value, _NAME_KEYS):
        return name
    halves = [_joined(_first_of(value, keys)) for keys in (_FIRST_NAME_KEYS, _LAST_NAME_KEYS)]
    if not all(isinstance(half, str) for half in halves if half is not None):
        return value
    texts = [str(half).strip() for half in halves if half is not None]
    return " ".join(reversed(texts) if family_name_first else texts) or _without(value, _ALL_KEYS)


def _first_of(value: Mapping[str, Any], keys: tuple[str, ...]) -> object:
    return next((value[key] for key in keys if not _is_empty(value.get(key))), None)


def _joined(value: object) -> object:
    """Return several given names as one text; anything else as it is."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return " ".join(value)
    return value


def _without(value: Mapping[str, Any], keys: tuple[str, ...]) -> object:
    """Return None for an object whose known keys are empty, or in which all is; else itself."""
    known = [value[key] for key in keys if key in value]
    return None if all(map(_is_empty, known or value.values())) else value


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {})


def _is_primary(value: object) -> bool:
    return isinstance(value, Mapping) and any(
        value.get(key) is True for key in ("primary", "isPrimary", "is_primary", "default")
    )
