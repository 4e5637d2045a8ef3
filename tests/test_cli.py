"""The command line as scripts use it: real processes, exit codes, stdout and stderr."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cogagent.types import Answer, Evidence, IngestReport
from tests.test_agent import LINES, write_pdf, write_picture


def cogagent(home: Path, *arguments: str, **changes: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cogagent.cli", "--home", str(home), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **changes)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    write_pdf(folder / "dam.pdf")
    write_picture(folder / "red.png")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    home = tmp_path_factory.mktemp("cli") / "kb"
    done = cogagent(home, "ingest", str(folder), "--json")
    assert done.returncode == 3, done.stderr
    report = IngestReport.model_validate_json(done.stdout)
    assert (report.ingested, len(report.failed)) == (2, 1)
    assert "broken.pdf" in done.stderr
    return home


def test_ask_prints_the_answer_and_where_it_stands(home: Path) -> None:
    done = cogagent(home, "ask", "Who finished Kestrel Dam?")
    assert done.returncode == 0, done.stderr
    assert f"{LINES[0]} [1]" in done.stdout
    assert "[1] Kestrel Dam, page 1, box " in done.stdout


@pytest.mark.parametrize("place", ["before", "after"])
def test_json_is_the_type_itself(home: Path, place: str) -> None:
    question = ["ask", "Who finished Kestrel Dam?"]
    done = cogagent(home, *(["--json", *question] if place == "before" else [*question, "--json"]))
    answer = Answer.model_validate_json(done.stdout)
    assert answer.outcome == "answered"
    plain = json.loads(done.stdout)["citations"][0]
    assert set(plain) >= {
        "document_id",
        "uri",
        "title",
        "page",
        "box",
        "boxes",
        "modality",
        "quote",
    }
    assert len(plain["box"]) == 4


def test_an_abstention_is_a_result_too(home: Path) -> None:
    done = cogagent(home, "ask", "Which airline flies to Reykjavik?")
    assert done.returncode == 0
    assert "Searched: " in done.stdout
    assert "text: Which airline flies to Reykjavik?" in done.stdout


def test_stream_shows_the_steps_on_stderr(home: Path) -> None:
    done = cogagent(home, "ask", "Who finished Kestrel Dam?", "--stream")
    assert "step 1" in done.stderr
    assert LINES[0] in done.stdout


def test_show_draws_the_citation_on_its_page(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.png"
    assert cogagent(home, "ask", "Who finished Kestrel Dam?", "--show", str(out)).returncode == 0
    assert out.read_bytes().startswith(b"\x89PNG")


def test_crops_are_written_by_their_markers(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "crops"
    done = cogagent(home, "ask", "Who finished Kestrel Dam?", "--crops", str(folder))
    assert done.returncode == 0
    assert f"[1] {folder / '1.png'}" in done.stderr
    assert (folder / "1.png").read_bytes().startswith(b"\x89PNG")


def test_crops_that_cannot_be_written_cost_no_answer(home: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    path = tmp_path / "taken" / "crops"
    done = cogagent(home, "ask", "Who finished Kestrel Dam?", "--crops", str(path))
    assert done.returncode == 0
    assert "Ada Lowell" in done.stdout
    assert "crops are not written" in done.stderr


def test_search_prints_evidence(home: Path) -> None:
    done = cogagent(home, "search", "dam engineer", "-k", "2", "--modality", "text", "--json")
    found = [Evidence.model_validate(entry) for entry in json.loads(done.stdout)]
    assert found[0].title == "Kestrel Dam"
    assert len(found) <= 2
    assert "Kestrel Dam, page 1" in cogagent(home, "search", "dam").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ask", "  "], 2, "question is empty"),
        (["ask", "What?", "--collection", "nowhere"], 2, "no collection 'nowhere'"),
        (["search", ""], 2, "nothing to search for"),
        (["documents", "show", "doc-none"], 2, "no document 'doc-none'"),
        (["nonsense"], 2, "No such command"),
        (["ask"], 2, "Missing argument"),
        (["ask", "What?", "--max-steps", "0"], 2, "max-steps"),
        (["collections", "create", ""], 2, "cannot name a collection"),
        (["ask", "What?", "--image", "no-such.png"], 2, "cannot be read"),
    ],
)
def test_wrong_use_exits_with_2_and_a_sentence(
    home: Path, arguments: list[str], code: int, said: str
) -> None:
    done = cogagent(home, *arguments)
    assert done.returncode == code
    assert said in done.stderr.replace("│", "")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_documents_are_listed_shown_disabled_and_deleted(tmp_path: Path) -> None:
    home = tmp_path / "kb"
    cogagent(home, "ingest", str(write_pdf(tmp_path / "dam.pdf")))
    (document,) = json.loads(cogagent(home, "documents", "list", "--json").stdout)
    identifier = document["id"]
    assert "content" not in document
    shown = cogagent(home, "documents", "show", identifier)
    assert "[text]" in shown.stdout
    assert "Ada Lowell" in shown.stdout
    assert cogagent(home, "documents", "disable", identifier).returncode == 0
    assert json.loads(cogagent(home, "search", "dam", "--json").stdout) == []
    assert cogagent(home, "documents", "enable", identifier).returncode == 0
    assert json.loads(cogagent(home, "search", "dam", "--json").stdout) != []
    assert cogagent(home, "documents", "delete", identifier).returncode == 0
    assert json.loads(cogagent(home, "documents", "list", "--json").stdout) == []


def test_collections_are_made_listed_and_deleted(tmp_path: Path) -> None:
    home = tmp_path / "kb"
    assert cogagent(home, "collections", "create", "one").returncode == 0
    assert "one: 0 documents" in cogagent(home, "collections", "list").stdout
    assert cogagent(home, "collections", "delete", "one").returncode == 0
    assert cogagent(home, "collections", "list").stdout == ""


def test_config_show_names_values_and_sources(tmp_path: Path) -> None:
    done = cogagent(
        tmp_path / "kb", "config", "show", env=os.environ | {"COGAGENT_LIMITS__PAGES": "12"}
    )
    assert "limits.pages = 12  (environment; COGAGENT_LIMITS__PAGES)" in done.stdout
    bad = cogagent(
        tmp_path / "kb", "config", "show", env=os.environ | {"COGAGENT_LIMITS__PAGES": "x"}
    )
    assert bad.returncode == 2
    assert "limits.pages" in bad.stderr


def test_doctor_finds_all_well_and_says_what_is_not(tmp_path: Path) -> None:
    home = tmp_path / "kb"
    well = cogagent(home, "doctor")
    assert well.returncode == 0, well.stdout
    assert "MEND" not in well.stdout
    home.mkdir()
    (home / "catalogue.sqlite").write_bytes(b"not a database at all" * 50)
    ill = cogagent(home, "doctor")
    assert ill.returncode == 1
    assert "MEND home" in ill.stdout


def test_a_home_that_cannot_be_made_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = cogagent(tmp_path / "file" / "kb", "collections", "list")
    assert done.returncode == 1
    assert "cannot make the home" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_ingest_leaves_documents_wholly_in_or_out(tmp_path: Path) -> None:
    folder, home = tmp_path / "many", tmp_path / "kb"
    folder.mkdir()
    for number in range(60):
        lines = [f"File {number} line {row} about topic {row}." for row in range(3)]
        write_pdf(folder / f"{number}.pdf", lines)
    command = [sys.executable, "-m", "cogagent.cli", "--home", str(home), "ingest", str(folder)]
    for delay in (0.8, 1.3, 1.8):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = cogagent(home, "ingest", str(folder), "--json")
    report = IngestReport.model_validate_json(done.stdout)
    assert report.ingested + report.skipped == 60
    documents = json.loads(cogagent(home, "documents", "list", "--json").stdout)
    assert len(documents) == 60
    assert cogagent(home, "doctor").returncode == 0
    found = json.loads(cogagent(home, "search", "File 37 line 2", "-k", "1", "--json").stdout)
    assert found[0]["uri"].endswith("/37.pdf")


def test_help_does_not_import_what_is_heavy() -> None:
    script = (
        "import sys\n"
        "import cogagent, cogagent.cli\n"
        "heavy = {'torch', 'numpy', 'openvino', 'faiss', 'transformers', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_question_imports_neither_torch_nor_transformers(home: Path) -> None:
    script = f"""
import sys
from cogagent import CogAgent
with CogAgent(home={str(home)!r}) as agent:
    assert agent.ask("Who finished Kestrel Dam?").citations
print(sorted({{'torch', 'sentence_transformers', 'transformers', 'sklearn'}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_reader_who_has_read_enough_is_no_fault(home: Path) -> None:
    command = [sys.executable, "-m", "cogagent.cli", "--home", str(home), "documents", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"BrokenPipe" not in process.stderr.read()
    assert process.returncode in (1, 141)


def test_the_version_is_told(home: Path) -> None:
    assert cogagent(home, "--version").stdout.startswith("cogagent 0.")
