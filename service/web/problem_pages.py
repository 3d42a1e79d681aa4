"""Pages about problem types: what the ``type`` of a problem links to."""

import re
from html import escape
from itertools import groupby
from typing import Final

import msgspec

from service.api.examples import problem_example
from service.problem_types import PROBLEM_TYPES
from service.problems import problem_type

_CODE: Final = re.compile("`([^`]+)`")

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>{title} - Contacts import</title>
  <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/assets/page.css">
  <link rel="stylesheet" href="/assets/problems.css">
</head>
<body>
  <header class="top">
    <a class="brand" href="/"><img src="/assets/icon.svg" alt="" width="28" height="28">\
Contacts import</a>
    <nav aria-label="Documentation"><a href="/problems">Problem types</a> \
<a href="/docs">API</a></nav>
  </header>
  <main>
    <h1>{title}</h1>
{content}
  </main>
</body>
</html>
"""


def problem_page(code: str) -> bytes:
    """Return the page of one problem type, in HTML."""
    kind = PROBLEM_TYPES[code]
    param = f"<dt>Parameter</dt><dd><code>{escape(kind.param)}</code></dd>" if kind.param else ""
    example = msgspec.json.format(msgspec.json.encode(problem_example(code)), indent=2).decode()
    content = f"""\
    <section class="card">
      <dl class="facts">
        <dt>Code</dt><dd><code>{code}</code></dd>
        <dt>HTTP status</dt><dd>{kind.status}</dd>
        {param}
      </dl>
      <h2>What it means</h2>
      <p>{_words(kind.description)}</p>
      <h2>What to do</h2>
      <p>{_words(kind.advice)}</p>
      <h2>Example</h2>
      <pre tabindex="0"><code>{escape(example)}</code></pre>
    </section>"""
    return _PAGE.format(title=escape(kind.title), content=content).encode()


def problem_index() -> bytes:
    """Return the page that lists all problem types by status, in HTML."""
    ordered = sorted(PROBLEM_TYPES, key=lambda code: (PROBLEM_TYPES[code].status, code))
    sections = []
    for status, codes in groupby(ordered, key=lambda code: PROBLEM_TYPES[code].status):
        entries = "".join(
            f'<li><a href="{problem_type(code)}"><code>{code}</code></a> '
            f"{escape(PROBLEM_TYPES[code].title)}</li>"
            for code in codes
        )
        sections.append(f'<section class="card"><h2>{status}</h2><ul>{entries}</ul></section>')
    return _PAGE.format(title="Problem types", content="\n".join(sections)).encode()


def _words(text: str) -> str:
    """Return text as HTML; what stands between backquotes becomes code."""
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=False))
