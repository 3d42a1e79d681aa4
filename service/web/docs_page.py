"""The OpenAPI document as a page to be read: all of it is there without a script."""

from collections.abc import Iterator
from typing import Any

from service.web.markup import Content, Element, document, node, prose
from service.web.schema_tables import fields, kind, row, table

Json = dict[str, Any]


def described(api: Json) -> bytes:
    """The page, in HTML."""
    info = api["info"]
    return document(
        node(
            "html",
            _head(info["title"]),
            node("body", _top(info["title"]), node("main", *_main(api), id="main")),
            lang="en",
        )
    )


def _head(title: str) -> Element:
    return node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", name="viewport", content="width=device-width, initial-scale=1"),
        node("meta", name="color-scheme", content="light dark"),
        node("title", f"{title}: the API"),
        node("link", rel="icon", href="/assets/icon.svg", type="image/svg+xml"),
        node("link", rel="stylesheet", href="/assets/page.css"),
        node("link", rel="stylesheet", href="/assets/docs.css"),
    )


def _top(title: str) -> Element:
    icon = node("img", src="/assets/icon.svg", alt="", width="28", height="28")
    document_link = node("a", "openapi.json", href="/openapi.json")
    return node(
        "header",
        node("a", icon, title, class_="brand", href="/"),
        node("nav", document_link, **{"aria-label": "For programs"}),
        class_="top",
    )


def _main(api: Json) -> Iterator[Element]:
    yield node("h1", "The API")
    yield node("div", *prose(api["info"]["description"]), class_="words")
    operations = list(_operations(api))
    yield node(
        "nav", node("ul", *map(_entry, operations)), class_="card", **{"aria-label": "Calls"}
    )
    for tag in api["tags"]:
        yield node("h2", tag["name"])
        for path, method, operation in operations:
            if tag["name"] in operation["tags"]:
                yield _operation(path, method, operation)
    yield node("h2", "Schemas")
    for name, schema in api["components"]["schemas"].items():
        yield _schema(name, schema)


def _operations(api: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _entry(called: tuple[str, str, Json]) -> Element:
    path, method, operation = called
    link = node("a", node("code", f"{method} {path}"), href=f"#{operation['operationId']}")
    return node("li", link, " ", node("span", operation["summary"], class_="quiet"))


def _operation(path: str, method: str, operation: Json) -> Element:
    title = node("h3", node("code", f"{method} {path}"), " ", operation["summary"])
    content: list[Content] = [title, *prose(operation.get("description", ""))]
    if parameters := operation.get("parameters"):
        content.append(table("Parameters", [_parameter(each) for each in parameters]))
    if body := operation.get("requestBody"):
        content.append(node("h4", "Body"))
        content.append(node("ul", *_contents(body["content"])))
    content.append(node("h4", "Answers"))
    content.append(node("dl", *_answers(operation["responses"]), class_="answers"))
    return node("section", *content, class_="card", id=operation["operationId"])


def _parameter(parameter: Json) -> Element:
    where = {"query": "in the query", "path": "in the path", "header": "a header"}
    described = parameter.get("description") or parameter["schema"].get("description", "")
    return row(
        parameter["name"],
        parameter["schema"],
        needed=parameter.get("required", False),
        description=f"{described} ({where[parameter['in']]})".strip(),
    )


def _contents(content: Json) -> Iterator[Element]:
    for media_type, told in content.items():
        named = node("code", media_type)
        if "properties" in told["schema"]:
            yield node("li", named, table("Fields", fields(told["schema"])))
        else:
            yield node("li", named, ": ", *kind(told["schema"]))


def _answers(responses: Json) -> Iterator[Element]:
    for status, told in responses.items():
        yield node("dt", status)
        headers = [f"Header {name}: {each['description']}" for name, each in _headers(told)]
        content = [node("ul", *_contents(told["content"]))] if "content" in told else []
        text = [each for words in (told["description"], *headers) for each in prose(words)]
        yield node("dd", *text, *content)


def _headers(told: Json) -> list[tuple[str, Json]]:
    return list(told.get("headers", {}).items())


def _schema(name: str, schema: Json) -> Element:
    words = prose(schema.get("description", ""))
    fields_table = table(f"Fields of {name}", fields(schema))
    return node(
        "section", node("h3", name), *words, fields_table, class_="card", id=f"schema-{name}"
    )
