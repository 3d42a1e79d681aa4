"""Schemas of the OpenAPI document, in words and tables."""

import json
from typing import Any

from service.web.markup import Content, Element, inline, node

Json = dict[str, Any]


def kind(schema: Json) -> list[Content]:
    """What a value may be, in a few words: ``array of Job``, ``string or null``."""
    if "$ref" in schema:
        return [_link(schema)]
    if "allOf" in schema:
        return kind(schema["allOf"][0])
    if "enum" in schema:
        return _listed(schema["enum"])
    if "const" in schema:
        return _listed([schema["const"]])
    if schema.get("type") == "array":
        return ["array of ", *kind(schema["items"])]
    return [_plain(schema)]


def bounds(schema: Json) -> str:
    """What else is asked of the value."""
    characters = _span(schema, "minLength", "maxLength")
    words = [
        f"{characters} characters" if characters else "",
        _span(schema, "minimum", "maximum"),
        f"default {json.dumps(schema['default'])}" if "default" in schema else "",
    ]
    return ", ".join(filter(None, words))


def _span(schema: Json, least: str, most: str) -> str:
    if most not in schema:
        return f"{schema[least]:,} or more" if schema.get(least) else ""
    start = f"{schema[least]:,}" if least in schema else "up"
    return f"{start} to {schema[most]:,}"


def fields(schema: Json, prefix: str = "") -> list[Element]:
    """A row for each property, nested ones included."""
    rows = []
    for name, value in schema.get("properties", {}).items():
        needed = name in schema.get("required", [])
        rows.append(row(f"{prefix}{name}", value, needed=needed))
        rows += fields(value, f"{prefix}{name}.")
    return rows


def row(name: str, schema: Json, *, needed: bool, description: str = "") -> Element:
    """Name, kind and meaning of one value."""
    told = description or schema.get("description", "")
    rest = [node("span", f" ({bounds(schema)})", class_="quiet")] if bounds(schema) else []
    optional = [] if needed else [node("span", " optional", class_="quiet")]
    return node(
        "tr",
        node("th", node("code", name), *optional, scope="row"),
        node("td", *kind(schema), *rest),
        node("td", *inline(told)),
    )


def table(caption: str, rows: list[Element]) -> Element:
    """The rows, with a caption."""
    head = [node("th", word, scope="col") for word in ("Name", "What", "Meaning")]
    return node(
        "div",
        node(
            "table",
            node("caption", caption),
            node("thead", node("tr", *head)),
            node("tbody", *rows),
        ),
        class_="scrolls",
        tabindex="0",
        role="region",
        **{"aria-label": caption},
    )


def _link(schema: Json) -> Element:
    name = schema["$ref"].rpartition("/")[2]
    return node("a", name, href=f"#schema-{name}")


def _listed(values: list[Any]) -> list[Content]:
    words: list[Content] = []
    for value in values:
        words += [", ", node("code", "null" if value is None else str(value))]
    return words[1:]


def _plain(schema: Json) -> str:
    types = schema.get("type", "any value")
    words = types if isinstance(types, str) else " or ".join(types)
    return f"{words}, {schema['format']}" if "format" in schema else words
