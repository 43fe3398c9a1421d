"""The README and the manual: complete, small, and without dead links."""

import configparser
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import Settings, errors
from gateway.observe.metrics import DECLARED
from gateway.web.pages.docs import titles
from tests.docs import settings_page
from tests.docs.pages import ALL, FILES, FOLDER, ROOT, TEXTS, blocks, without_code

LONGEST_README = 10_000
LARGEST_PICTURE = 200_000


def anchors(file: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.*)$", without_code(file.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_has_a_target(name: str) -> None:
    """The target is a file of the repository, and a heading in it if the link names one."""
    text = without_code(TEXTS[name])
    for link in re.findall(r'(?:\]\(|src="|srcset=")([^)"]+)', text):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        file = (FILES[name].parent / path).resolve() if path else FILES[name]
        assert file.is_relative_to(ROOT), link
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


def test_a_page_links_only_to_files_that_a_running_gateway_serves() -> None:
    """A gateway serves the pages, their pictures and the schema."""
    manual = "".join(file.read_text("utf-8") for file in FOLDER.glob("*.md"))
    outside = set(re.findall(r"\]\((\.\./[^)]+)\)", manual))

    assert outside <= {"../../schema.graphql"}


def test_the_contents_list_every_page() -> None:
    """Each listed page is served at `/docs`, and printed by `gateway docs`."""
    assert set(titles()) == {file.stem for file in FOLDER.glob("*.md")} - {"README"}
    assert all(f"gateway/docs/{name}.md" in TEXTS["README"] for name in titles())


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "README"])
def test_a_page_begins_with_its_reader(name: str) -> None:
    """The first sentence names the readers, without Markdown: `gateway docs` lists it."""
    title, empty, first, *_ = TEXTS[name].splitlines()

    assert title.startswith("# ")
    assert not empty
    assert re.match(r"For (everybody|developers|operators|people|contributors|web)\b", first), first
    assert not re.search(r"[`[]", first)


def test_the_readme_is_short_and_shows_pictures() -> None:
    """The README can be read in five minutes."""
    assert len(TEXTS["README"].encode()) <= LONGEST_README
    assert TEXTS["README"].count("<picture>") >= 2


def test_pictures_are_small_and_shown() -> None:
    """Each has a light and a dark version, and a page that shows it."""
    pictures = {file.name: file for file in (FOLDER / "img").iterdir()}

    assert all(file.stat().st_size < LARGEST_PICTURE for file in pictures.values())
    assert {name.replace("-light", "-dark") for name in pictures} == {
        name for name in pictures if "-dark." in name
    }
    assert all(name in ALL for name in pictures)


def test_the_settings_page_is_up_to_date() -> None:
    """The page has every setting; `python -m tests.docs.settings_page` writes it."""
    assert settings_page.FILE.read_text("utf-8") == settings_page.page()


def test_every_setting_that_is_named_exists() -> None:
    """A misspelt setting would stop the gateway's start."""
    names = set(re.findall(r"GATEWAY_[A-Z_]*[A-Z]", ALL))

    fields = {name.removeprefix("GATEWAY_").lower() for name in names}
    assert {name.removesuffix("_file") for name in fields - set(Settings.model_fields)} <= set(
        Settings.model_fields
    )


async def test_every_metric_that_is_named_exists(gateway: Any) -> None:
    """A gateway reports every metric in the README and the manual."""
    reported = (await gateway.http.get("/metrics")).text
    names = set(re.findall(r"\b(?:gateway|process)_[a-z_]*[a-z]", ALL))

    assert len(names) > 20
    assert not {name for name in names if f"{name.removesuffix('_bucket')}" not in reported}


def test_the_table_of_metrics_has_every_metric_with_its_labels() -> None:
    """Names and labels of metrics are public, so a user has to find them."""
    rows = re.findall(r"`(gateway_\w+?)(?:_total)?(?:{(.*?)})?`", TEXTS["docs/operate"])
    shown = {name: labels.split(",") if labels else [] for name, labels in reversed(rows)}

    assert shown == {name: labels for name, (_, _, *labels) in DECLARED.items()}


def test_the_error_table_names_every_code_and_status() -> None:
    """Each code has its HTTP status, and the right reaction of an app."""
    rows = dict(
        re.findall(
            r"^\| `([A-Z_]+)` \| (\d{3}) \|[^|]+\|[^|]+\|$", TEXTS["docs/errors"], re.MULTILINE
        )
    )
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.GatewayError)
    ]
    raised = {
        kind.code: str(kind.http_status)
        for kind in kinds
        if "code" in vars(kind) or kind is errors.GatewayError
    }
    by_graphql_core = {"GRAPHQL_PARSE_FAILED": "400", "GRAPHQL_VALIDATION_FAILED": "400"}

    assert rows == {**raised, **by_graphql_core}


def test_blocks_of_data_are_well_formed() -> None:
    """Each block of JSON, YAML and unit files can be parsed."""
    for block in blocks("json"):
        json.loads(block)
    for block in blocks("yaml"):
        list(yaml.safe_load_all(block))
    for block in blocks("ini"):
        configparser.ConfigParser(interpolation=None, strict=False).read_string(block)
