"""What the documentation says is what the program does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from cogagent import CogAgent
from tests.test_agent import write_pdf

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("page", ["cli.md", "settings.md", "openapi.json"])
def test_the_reference_pages_are_up_to_date(page: str) -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    written = (ROOT / "docs" / page).read_text("utf-8")
    assert written == generate.PAGES[page](), "run `make docs`"


def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    write_pdf(tmp_path / "docs" / "a.pdf", ["The revenue in 2018 was 41 million euros."])
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    exec(compile(code, "README.md", "exec"), {})
    assert "answered 41 million euros" in capsys.readouterr().out


def test_every_link_of_the_documents_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_command_names_of_the_readme_exist(tmp_path: Path) -> None:
    from cogagent.cli import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    text = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"^cogagent (\w+)", text, re.M)) | set(
        re.findall(r"`cogagent (\w+)", text)
    )
    assert named <= known
    assert CogAgent.__doc__
