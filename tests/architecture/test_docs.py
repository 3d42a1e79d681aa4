"""The documentation says what the code says, and nothing in it leads nowhere."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from config.settings import Settings
from core.job_view import _ADVICE
from core.reading.matching import match_header
from core.reading.warnings import MESSAGES, SKIPPED_ROWS
from core.records import rejection_reasons as reasons
from core.states import ENDED, ImportState
from service.keys.scopes import Scope
from service.option_names import IMPORT_OPTIONS
from service.problems import PROBLEM_TYPES
from tasks.webhooks.sign import Signer
from tests.support.client_command import CLIENT_COMMAND, client_environment
from tests.support.commands import is_shown, shown_outputs
from tests.support.markdown import LANGUAGES, PROJECT, SHELL, Block, Document, code, documents
from tests.support.metrics_format import PREFIX
from tests.support.registered_metrics import service_metrics, worker_metrics

DOCUMENTS = documents()
NAMES = [str(document.path) for document in DOCUMENTS]
of_each = pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
NOTES = ("not run", "run by", "exit code")
MOST_LINES = 150
"""Of the README."""
DRAMATIQS = ["dramatiq_prom_db", "dramatiq_prom_host", "dramatiq_prom_lock", "dramatiq_prom_port"]


def test_documents_are_found():
    assert {"README.md", "SECURITY.md", "docs/api.md", "benchmarks/README.md"} <= set(NAMES)


@of_each
def test_each_command_is_run_or_the_text_says_why_not(document):
    tests = (PROJECT / "tests" / "acceptance" / "test_commands.py").read_text()
    for block in document.blocks():
        place = f"{document.path}:{block.line}"
        assert block.language in LANGUAGES, place
        if block.language not in SHELL:
            assert block.comment in {"", "output"}, place
            continue
        noted = {what: block.noted(what) for what in NOTES if block.noted(what) is not None}
        assert len(noted) == bool(block.comment), place
        assert all(noted.values()), place
        test = noted.get("run by")
        assert test is None or f"def {test}(" in tests, place


@of_each
def test_each_fence_is_seen(document):
    lines = document.text.splitlines()
    assert sum("```" in line for line in lines) == 2 * len(document.blocks())


@of_each
def test_only_what_is_run_has_its_output_shown(document):
    assert all(block.is_run for block, _ in shown_outputs(document))
    outputs = [block for block in document.blocks() if block.is_output]
    assert len(outputs) == len(list(shown_outputs(document)))


@of_each
def test_each_link_leads_somewhere(document):
    for link in document.links():
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (PROJECT / document.path).parent / path if path else PROJECT / document.path
        assert target.exists(), link
        if anchor:
            assert anchor in Document.read(target).anchors(), link


@of_each
def test_each_make_target_exists(document):
    makefile = (PROJECT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert targets is not None
    written = [block.text for block in document.blocks()] + code(document.prose())
    named = {name for text in written for name in re.findall(r"^make ([a-z]+)", text, re.MULTILINE)}
    assert named <= {*targets[1].split(), "setup"}


def test_the_readme_is_short_and_leads_to_each_page():
    readme = Document.read("README.md")
    assert len(readme.text.splitlines()) <= MOST_LINES
    pages = {str(path.relative_to(PROJECT)) for path in (PROJECT / "docs").glob("*.md")}
    assert pages | {"LICENSE", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"} <= set(
        readme.links()
    )


def test_each_setting_is_documented_with_its_default_and_bounds():
    rows = Document.read("docs/configure.md").table("variable", "default", "allowed")
    documented = {code(row[0])[0]: (row[1].strip("`"), row[2]) for row in rows}
    assert documented == {
        name.upper(): (default(name), allowed(schema))
        for name, schema in Settings.model_json_schema()["properties"].items()
    }
    dramatiqs = Document.read("docs/configure.md").table("variable", "default", "meaning")
    assert sorted(code(row[0])[0] for row in dramatiqs) == DRAMATIQS


def test_the_example_has_each_setting_with_its_default():
    lines = (PROJECT / ".env.example").read_text().splitlines()
    found = [re.match(r"(?:# )?([A-Za-z_]+)=(\S*)", line) for line in lines]
    documented = {match[1]: match[2] for match in found if match}
    fields = {name.upper(): field for name, field in Settings.model_fields.items()}
    assert documented.keys() == {*fields, *DRAMATIQS}
    for name, field in fields.items():
        if not field.is_required():
            assert documented[name] == default(name.lower()).replace("none", "")


def default(name: str) -> str:
    """As the environment would have it."""
    field = Settings.model_fields[name]
    if field.is_required():
        return "required"
    if field.default is None:
        return "none"
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return f"{field.default:.0f}" if isinstance(field.default, float) else str(field.default)


def allowed(schema: dict) -> str:
    """What the settings' schema says of a value, in words."""
    if schema.get("type") == "boolean":
        return "`true`, `false`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "exclusiveMinimum" in schema:
        return f"more than {schema['exclusiveMinimum']}, up to {schema['maximum']}"
    return f"{schema['minimum']} to {schema['maximum']}" if "minimum" in schema else ""


def test_each_problem_is_documented_with_its_status():
    rows = Document.read("docs/api.md").table("code", "status", "meaning")
    documented = {code(name)[0]: int(status) for name, status, _ in rows}
    assert documented == {name: kind.status for name, kind in PROBLEM_TYPES.items()}


def test_each_scope_is_documented():
    rows = Document.read("docs/configure.md").table("scope", "allows")
    assert [code(row[0])[0] for row in rows] == list(Scope)


def test_each_rejection_is_documented():
    found = {value.code for value in vars(reasons).values() if isinstance(value, reasons.Reason)}
    rows = Document.read("docs/formats.md").table("code", "reason")
    assert {code(row[0])[0] for row in rows} == {*found, reasons.refused_by_database("23514").code}


def test_each_failure_is_documented():
    rows = Document.read("docs/api.md").table("code", "meaning", "what to do")
    assert [row[0] for row in rows if not code(row[0])] == ["any other"]
    assert {name for row in rows for name in code(row[0])} == _ADVICE.keys()


def test_each_state_is_documented():
    states = set(ImportState)
    rows = Document.read("docs/api.md").table("state", "meaning", "next")
    assert {code(row[0])[0] for row in rows} == states
    assert {name for row in rows for name in code(row[2])} <= states


def test_each_option_is_documented():
    rows = Document.read("docs/api.md").table("option", "value", "default")
    assert [code(row[0])[0] for row in rows] == list(IMPORT_OPTIONS)


def test_the_documented_names_of_columns_are_known():
    rows = Document.read("docs/formats.md").table("field", "some recognised names")
    assert [code(field)[0] for field, _ in rows] == ["name", "email", "first_name", "last_name"]
    for field, names in rows:
        for name in code(names):
            assert match_header(name).field == code(field)[0], name


def test_each_warning_is_documented():
    files = Document.read("docs/files.md")
    warned = {code(row[0])[0] for row in files.table("code", "meaning")}
    skipped = {code(row[0])[0] for row in files.table("skipped", "rows")}
    assert skipped == SKIPPED_ROWS
    assert warned == MESSAGES.keys() - SKIPPED_ROWS


def test_each_end_that_is_notified_is_documented():
    rows = Document.read("docs/webhooks.md").table("type", "when")
    ends = {f"import.{state}" for state in ENDED}
    assert {code(row[0])[0] for row in rows} == ends


def test_each_metric_is_documented_with_its_kind_and_labels():
    document = Document.read("docs/operate.md")
    for process, found in (("service", service_metrics()), ("workers", worker_metrics())):
        rows = document.table(process, "type", "labels")
        assert {PREFIX + code(row[0])[0]: (row[1], code(row[2])) for row in rows} == found


def test_each_argument_of_the_command_is_documented():
    shown = subprocess.run(
        [*CLIENT_COMMAND, "--help"],
        cwd=PROJECT,
        env=client_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    rows = Document.read("docs/client.md").table("argument", "meaning")
    documented = {name for row in rows for name in code(row[0]) if name.startswith("--")}
    assert documented == set(re.findall(r"--[a-z][a-z-]*", shown.stdout)) - {"--help"}


def test_the_receiver_that_is_shown_checks_our_signatures():
    (shown,) = [
        one for one in Document.read("docs/webhooks.md").blocks() if one.language == "python"
    ]
    made: dict = {}
    exec(shown.text, made)
    secret, now = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", int(made["time"].time())
    headers = Signer(secret).headers("msg_1", now, b"{}")
    assert made["is_genuine"](secret, headers, b"{}")
    assert not made["is_genuine"](secret, headers, b"{ }")
    assert not made["is_genuine"](secret, Signer(secret).headers("msg_1", now - 600, b"{}"), b"{}")


def test_the_architecture_names_each_top_level_folder():
    rows = Document.read("docs/architecture.md").table("folder", "what is there")
    listed = {code(row[0])[0] for row in rows}
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    folders = {f"{path.partition('/')[0]}/" for path in tracked if "/" in path}
    assert listed == {folder for folder in folders if not folder.startswith(".")}


def test_the_processes_are_started_as_the_procfile_says():
    lines = (PROJECT / "Procfile").read_text().splitlines()
    for page in ("README.md", "docs/deploy.md"):
        shown = "".join(block.text for block in Document.read(page).blocks())
        assert all(line.partition(": ")[2] in shown for line in lines), page


def test_the_licence_is_the_one_that_is_named():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert (project["license"], project["license-files"]) == ("MIT", ["LICENSE"])
    assert (PROJECT / "LICENSE").read_text().startswith("MIT License\n")


@pytest.mark.parametrize(
    ("language", "shown", "found", "same"),
    [
        ("text", "a ... c\n", "a b c\n", True),
        ("text", "a\n...\n", "a\nb\nc\n", True),
        ("text", "a.c\n", "abc\n", False),
        ("json", '{"a": "x...", "b": 1.5}', '{"b": 2.5, "a": "xyz"}', True),
        ("json", '{"a": 1}', '{"a": 2}', False),
        ("json", '{"a": 1}', '{"a": 1, "b": 2}', False),
        ("json", '{"a": null}', '{"a": "b"}', False),
        ("json", "[1, 2]", "[1]", False),
    ],
)
def test_outputs_are_compared(language, shown, found, same):
    assert is_shown(found, Block(1, language, shown, "output")) == same


TEXT = """\
# A `b` c
<!-- not run: why -->
```sh
a
```
```sh
b
```
<!-- output -->
```text
```
"""


def test_blocks_and_comments_are_read():
    document = Document(Path("x.md"), TEXT)
    first, second, third = document.blocks()
    assert (first.line, first.text, first.noted("not run")) == (4, "a\n", "why")
    assert [block.is_run for block in (first, second, third)] == [False, True, False]
    assert (second.comment, third.is_output) == ("", True)
    assert document.anchors() == {"a-b-c"}
