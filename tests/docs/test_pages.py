"""The pages say what the program does, and their links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

TOP = Path(__file__).resolve().parents[2]
PAGES = sorted([*TOP.glob("*.md"), *TOP.glob("docs/**/*.md")])


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", TOP / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["commands", "doctor", "errors", "exit_codes", "ssh_config"])
def test_the_reference_is_what_the_program_says(name: str) -> None:
    page = TOP / "docs" / "reference" / f"{name.replace('_', '-')}.md"
    assert page.read_text(encoding="utf-8") == getattr(_generator(), name)(), (
        "write it again with: python3 dev.py docs"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


def test_every_anchor_that_is_linked_to_is_there() -> None:
    folder = TOP / "docs" / "reference"
    linked = set(re.findall(r"\(doctor\.md#([a-z-]+)\)", (folder / "errors.md").read_text()))
    headings = set(re.findall(r"^## ([a-z-]+)$", (folder / "doctor.md").read_text(), re.MULTILINE))
    assert len(linked) > 20
    assert linked <= headings
