"""What the documents say in code blocks, for the tests that hold them to it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fenced(language: str, text: str = README) -> list[str]:
    """Content of every fenced block of a language ("" for none) in a Markdown text, in order."""
    return [content for named, content in _FENCED.findall(text) if named == language]
