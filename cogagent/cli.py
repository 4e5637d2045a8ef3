"""The command line: results on stdout, progress and messages on stderr.

Exit codes: 0 done, 2 wrong use, 3 done in part (the failures are listed), 1
anything else. Heavy modules are imported by the commands that need them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cogagent.commands.common import (
    CollectionName,
    Globals,
    Json,
    leave,
    one_line,
    open_agent,
    plain,
    print_answer,
    print_json,
    say,
    wants_json,
)
from cogagent.commands.keys import audit, keys
from cogagent.commands.runs import conversations, trace
from cogagent.commands.service import mcp, serve
from cogagent.errors import CogAgentError, ConfigError, InputError, NotFoundError, error_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from cogagent.agent import CogAgent
    from cogagent.geometry import Box
    from cogagent.types import Answer, BatchProgress, Budget, Element, Progress

app = typer.Typer(
    name="cogagent",
    help="Ask documents and pictures; every claim points at a page and a rectangle.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
documents = typer.Typer(help="List, show, delete, disable and enable documents.")
collections = typer.Typer(help="List, create and delete collections.")
config = typer.Typer(help="Show the settings.")
app.add_typer(documents, name="documents", no_args_is_help=True)
app.add_typer(collections, name="collections", no_args_is_help=True)
app.add_typer(config, name="config", no_args_is_help=True)
app.add_typer(trace, name="trace", no_args_is_help=True)
app.add_typer(conversations, name="conversations", no_args_is_help=True)
app.add_typer(keys, name="keys", no_args_is_help=True)
app.command()(audit)


class Modality(StrEnum):
    """What to search among."""

    text = "text"
    image = "image"
    all = "all"


Strict = Annotated[
    bool, typer.Option("--strict", help="Leave out what the evidence does not bear out.")
]
PlannerName = Annotated[str | None, typer.Option(help="Which planner; rules by default.")]
MaxSteps = Annotated[int | None, typer.Option(min=1, help="Steps a question, at most.")]
Timeout = Annotated[float | None, typer.Option(min=0.001, help="Seconds a question, at most.")]
MaxCalls = Annotated[int | None, typer.Option(min=0, help="Texts of models a question, at most.")]
MaxTokens = Annotated[int | None, typer.Option(min=0, help="Tokens a question, at most.")]
DocumentId = Annotated[str, typer.Argument(help="A document's id, as `documents list` shows it.")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"cogagent {version('cogagent')}")
        raise typer.Exit


@app.callback()
def _options(
    home: Annotated[
        Path | None,
        typer.Option(
            envvar="COGAGENT_HOME", help="Where documents and indexes are kept.", metavar="DIR"
        ),
    ] = None,
    as_json: Json = False,
    version: Annotated[  # noqa: ARG001 - it is done by then
        bool,
        typer.Option("--version", is_eager=True, callback=_version, help="Print the version."),
    ] = False,
) -> None:
    Globals.home, Globals.json = home, as_json


@app.command()
def ingest(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH…", help="Files, folders and archives.", show_default=False),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed before.")
    ] = False,
    collection: CollectionName = "default",
    as_json: Json = False,
) -> None:
    """Read files, folders and archives into a collection."""
    if not paths and not retry_failed:
        raise InputError("there is nothing to ingest.", remedy="Name a PATH, or --retry-failed.")
    with open_agent() as agent, _progress() as show:
        report = agent.ingest(paths or [], collection, show, retry_failed)
    if wants_json(as_json):
        print_json(report)
    else:
        print(
            f"{report.ingested} ingested, {report.skipped} unchanged, "
            f"{len(report.failed)} failed; {report.pages} pages, {report.chunks} passages, "
            f"{report.images} pictures in {report.seconds:.1f} s "
            f"(all text after {report.text_seconds:.1f} s)"
        )
    for note in report.notes:
        say(f"note: {note}")
    for failure in report.failed:
        say(f"failed at {failure.stage}: {failure.uri!r}: {failure.error} {failure.remedy}")
    if report.failed:
        raise typer.Exit(3)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="In plain words.")],
    image: Annotated[
        list[Path] | None, typer.Option(help="A picture that belongs to the question.")
    ] = None,
    collection: CollectionName = "default",
    planner: PlannerName = None,
    stream: Annotated[bool, typer.Option("--stream", help="Show the steps as they go.")] = False,
    strict: Strict = False,
    choice: Annotated[
        list[str] | None,
        typer.Option(help="One of the possible answers; name each so.", metavar="TEXT"),
    ] = None,
    show: Annotated[
        Path | None,
        typer.Option(help="Draw the first citation on its page, into this PNG.", metavar="FILE"),
    ] = None,
    crops: Annotated[
        Path | None,
        typer.Option(
            help="Write what each citation points at, a PNG each, into this folder.",
            metavar="DIR",
            file_okay=False,
        ),
    ] = None,
    conversation: Annotated[
        str | None,
        typer.Option(help="Understand it from earlier questions under this name.", metavar="ID"),
    ] = None,
    max_steps: MaxSteps = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Answer a question, with citations."""
    with open_agent() as agent:
        keywords: dict[str, Any] = {
            "images": image or [], "collection": collection, "planner": planner,
            "budget": _budget(max_steps, timeout, max_calls, max_tokens), "strict": strict,
            "choices": choice, "conversation": conversation,
        }  # fmt: skip
        answer = (
            _streamed(agent, question, keywords) if stream else agent.ask(question, **keywords)
        )
        if wants_json(as_json):
            print_json(answer)
        else:
            print_answer(answer)
        if show is not None and answer.citations:
            _save(lambda: agent.draw(answer.citations[0]), show)
        if crops is not None:
            _write_crops(agent, answer, crops)
    leave(answer)


@app.command()
def batch(
    questions: Annotated[
        Path, typer.Argument(metavar="QUESTIONS.jsonl", help="A JSON object a line.")
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="ANSWERS.jsonl", help="A line for each question."),
    ],
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the answers there are, go on behind them.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Forget the answers there are.")
    ] = False,
    collection: CollectionName = "default",
    planner: PlannerName = None,
    strict: Strict = False,
    max_steps: MaxSteps = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    timeout: Timeout = None,
    jobs: Annotated[
        int, typer.Option(min=0, help="Questions asked at once; 0 takes the cores.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Answer the questions of a file, several at a time, into another."""
    with open_agent() as agent, _batch_progress() as show:
        report = agent.batch_file(
            questions,
            out,
            collection,
            planner,
            _budget(max_steps, timeout, max_calls, max_tokens),
            jobs,
            resume=resume,
            overwrite=overwrite,
            on_progress=show,
            strict=strict,
        )
    if wants_json(as_json):
        print_json(report)
    else:
        print(
            f"{report.questions} questions: {report.answered} answered, "
            f"{report.partial} in part, {report.abstained} abstained, "
            f"{report.budget_exhausted} out of budget, {report.failed} failed; "
            f"{report.kept} from before, {report.questions - report.kept} "
            f"in {report.seconds:.1f} s, {report.per_second:.1f}/s"
        )
    for failure in report.failures:
        named = "" if failure.id is None else f" ({failure.id})"
        say(f"failed: line {failure.line}{named}: {failure.message} {failure.remedy}".rstrip())
    if report.failed > len(report.failures):
        say(f"… and {report.failed - len(report.failures)} more; each has its `error` in {out}.")
    if report.failed:
        raise typer.Exit(3)


@app.command("eval")
def evaluate(
    dataset: Annotated[
        Path, typer.Argument(metavar="DATASET.jsonl", help="An item a line; see the docs.")
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="REPORT.json", help="Written anew.")
    ] = None,
    marks: Annotated[
        Path | None,
        typer.Option(metavar="MARKS.jsonl", help="A line for each item, as it is done."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the marks there are, go on behind them.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Forget the marks there are.")
    ] = False,
    collection: CollectionName = "default",
    planner: PlannerName = None,
    max_steps: MaxSteps = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    timeout: Timeout = None,
    depth: Annotated[
        int, typer.Option(min=1, help="Documents found among which the right ones count.")
    ] = 10,
    jobs: Annotated[int, typer.Option(min=1, help="Items asked at once.")] = 1,
    as_json: Json = False,
) -> None:
    """Ask the questions of a file and compare what comes of them with what is right."""
    import asyncio

    from cogagent.models.factory import text_embedder
    from cogagent.pipelines.eval_items import EvalItem
    from cogagent.pipelines.evaluate import evaluate_file, write_report

    budget = _budget(max_steps, timeout, max_calls, max_tokens)
    with open_agent() as agent, _bar("items", "items/s") as move:
        _require_collection(agent, collection)
        agent.require_planner(planner)
        chosen = planner or agent.settings.planning.planner
        made_with = f"planner {chosen}, collection {collection}, {budget!r}, depth {depth}"

        async def asked(item: EvalItem) -> Answer:
            pictures = [] if item.picture is None else [item.picture]
            return await agent.aask(item.question, pictures, collection, planner, budget)

        report = asyncio.run(
            evaluate_file(
                asked, dataset, marks=marks, resume=resume, overwrite=overwrite,
                made_with=made_with, embedder=text_embedder(agent.settings), depth=depth,
                jobs=jobs, on_progress=move,
            )
        )  # fmt: skip
    if out is not None:
        write_report(report, out)
    if wants_json(as_json):
        print_json(report)
    else:
        print(f"{report.items} items in {report.seconds:.1f} s, {report.kept} from before")
        for name, figure in report.all.figures.items():
            print(
                f"{name:<20} {figure.value:>9.3f}  [{figure.low:.3f}, {figure.high:.3f}]"
                f"  of {figure.items}"
            )
    for failure in report.failures:
        error = failure.error
        say(f"failed: line {failure.line}: {error.message} {error.remedy}".rstrip())
    if report.failed or report.malformed:
        raise typer.Exit(3)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="Words to search for.")] = "",
    modality: Annotated[Modality, typer.Option(help="What to search among.")] = Modality.all,
    k: Annotated[int, typer.Option("-k", min=1, help="How many results.")] = 10,
    image: Annotated[Path | None, typer.Option(help="Find pictures like this one.")] = None,
    collection: CollectionName = "default",
    as_json: Json = False,
) -> None:
    """Find passages, tables and pictures."""
    with open_agent() as agent:
        found = agent.search(query, k, modality.value, image, collection)
    if wants_json(as_json):
        print_json(found)
        return
    for rank, piece in enumerate(found, 1):
        print(f"{rank}. {piece.title}, page {piece.page} [{piece.modality}, {piece.score:.3f}]")
        print(f"   {one_line(piece.text, 160)}")


@app.command()
def reindex(as_json: Json = False) -> None:
    """Embed everything anew, after a change of embedder."""
    with open_agent(adopt=True) as agent, _progress() as show:
        report = agent.reindex(on_progress=show)
    if wants_json(as_json):
        print_json(report)
    else:
        print(
            f"{report.chunks} passages and {report.images} pictures embedded "
            f"in {report.seconds:.1f} s"
        )
    if report.failed:
        for failure in report.failed:
            say(f"failed: {failure.uri!r}: {failure.error} {failure.remedy}")
        raise typer.Exit(3)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check models, OCR, disk and home, and say how to mend what is amiss."""
    from cogagent.doctor import examine

    findings = examine(Globals.home)
    if wants_json(as_json):
        print_json(findings)
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'MEND'} {finding.check}: {finding.detail}")
            if not finding.ok and finding.remedy:
                print(f"     {finding.remedy}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def models(
    attempt: Annotated[
        bool, typer.Option("--try", help="Ask each one something small, and time it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """The models that the settings name, what they can do, and whether they load."""
    from cogagent.config import default_home, load_settings
    from cogagent.inventory import inventory

    entries = inventory(load_settings(Globals.home or default_home()), attempt=attempt)
    if wants_json(as_json):
        print_json(entries)
    else:
        for entry in entries:
            print(f"{'ok  ' if entry.ok else 'MEND'} {entry.role}: {entry.name}: {entry.detail}")
            if entry.try_seconds is not None:
                print(f"     {entry.tried} in {entry.try_seconds:.2f} s")
            if not entry.ok and entry.remedy:
                print(f"     {entry.remedy}")
    if not all(entry.ok for entry in entries):
        raise typer.Exit(1)


@app.command()
def demo(
    examples: Annotated[Path, typer.Option(help="The folder of example documents.")] = Path(
        "examples"
    ),
    out: Annotated[Path, typer.Option(help="Where the cited crops are written.")] = Path(
        "demo-out"
    ),
) -> None:
    """Ingest the examples, ask three questions and write the cited crops."""
    from cogagent.demo import run

    with open_agent() as agent:
        run(agent, examples, out, print)


@app.command("planners")
def planners_list(as_json: Json = False) -> None:
    """What can be named with --planner."""
    from cogagent.config import default_home, load_settings
    from cogagent.planners.factory import make_planner, needs_model, planner_names

    settings = load_settings(Globals.home or default_home())
    found = []
    for name in planner_names():
        planner = make_planner(name, settings, has_model=True)
        about = (type(planner).__doc__ or "").partition("\n")[0]
        found.append({"name": name, "needs_model": needs_model(planner), "about": about})
    if wants_json(as_json):
        print_json(found)
        return
    for entry in found:
        needs = " (needs a language model)" if entry["needs_model"] else ""
        print(f"{entry['name']}: {entry['about']}{needs}")


@documents.command("list")
def documents_list(collection: CollectionName = "default", as_json: Json = False) -> None:
    """The documents of a collection, and the sources that failed."""
    with open_agent() as agent:
        found, failed = agent.documents.list(collection), agent.documents.failures(collection)
    if wants_json(as_json):
        print_json(found)
        return
    for document in found:
        state = "" if document.enabled else " (disabled)"
        state += f" ({document.unseen} pictures to be looked at)" if document.unseen else ""
        print(f"{document.id}  {document.pages:>5} p.  {document.title}{state}  {document.uri}")
    for failure in failed:
        say(f"not ingested: {failure.uri!r}: {failure.error}")


@documents.command("show")
def documents_show(
    document: DocumentId,
    words: Annotated[
        bool, typer.Option("--words", help="Print each word of a picture with its place.")
    ] = False,
    as_json: Json = False,
) -> None:
    """A document and what was found in it; of a picture, what it is and what is written in it."""
    with open_agent() as agent:
        found, elements = agent.documents.get(document), list(agent.documents.elements(document))
    if wants_json(as_json):
        shown = [plain(item) | {"words": plain(item.placed_words())} for item in elements]
        print(json.dumps({**plain(found), "elements": shown}, ensure_ascii=False))
        return
    print(f"{found.title}\n{found.uri}\n{found.media_type}, {found.pages} pages")
    for element in elements:
        if element.kind == "page":
            print(f"--- page {element.page}")
        elif element.whole:
            _print_picture(element, words=words)
        else:
            print(f"[{element.kind}] {one_line(element.caption + ' ' + element.text, 300)}")


@documents.command("delete")
def documents_delete(
    ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Documents' ids.")],
) -> None:
    """Delete documents, all or none."""
    with open_agent() as agent:
        agent.documents.delete(*ids)


@documents.command("disable")
def documents_disable(document: DocumentId) -> None:
    """Leave a document out of searches without forgetting it."""
    with open_agent() as agent:
        agent.documents.disable(document)


@documents.command("enable")
def documents_enable(document: DocumentId) -> None:
    """Take a disabled document into searches again."""
    with open_agent() as agent:
        agent.documents.enable(document)


@collections.command("list")
def collections_list(as_json: Json = False) -> None:
    """All collections."""
    with open_agent() as agent:
        found = agent.collections.list()
    if wants_json(as_json):
        print_json(found)
        return
    for collection in found:
        print(f"{collection.name}: {collection.documents} documents, {collection.pages} pages")


@collections.command("create")
def collections_create(name: Annotated[str, typer.Argument()]) -> None:
    """Make a collection."""
    with open_agent() as agent:
        agent.collections.create(name)


@collections.command("delete")
def collections_delete(name: Annotated[str, typer.Argument()]) -> None:
    """Delete a collection with its documents."""
    with open_agent() as agent:
        agent.collections.delete(name)


@config.command("show")
def config_show(as_json: Json = False) -> None:
    """Every setting, its value and where the value comes from; secrets hidden."""
    from cogagent.config import default_home, describe, load_settings

    home = Globals.home or default_home()
    rows = describe(load_settings(home), home)
    if wants_json(as_json):
        print(json.dumps(rows, ensure_ascii=False))
        return
    print(f"home = {home}")
    for row in rows:
        print(f"{row['name']} = {row['value']}  ({row['source']}; {row['variable']})")


app.command()(serve)
app.command()(mcp)


def main() -> None:
    """Run the command line; errors of this package become a message and an exit code."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where it can still be told from a fault
    except CogAgentError as error:
        say(f"cogagent: {error}")
        sys.exit(2 if isinstance(error, InputError | ConfigError) else 1)
    except UnicodeEncodeError as error:
        say(f"cogagent: an argument is not valid text: {error.object!a}")
        sys.exit(2)
    except KeyboardInterrupt:
        say("cogagent: interrupted; what was stored stays.")
        sys.exit(130)
    except BrokenPipeError:  # whoever reads, as `head` does, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _budget(
    steps: int | None,
    seconds: float | None,
    calls: int | None = None,
    tokens: int | None = None,
) -> Budget:
    from cogagent.types import Budget

    limits = {"steps": steps, "seconds": seconds, "model_calls": calls, "tokens": tokens}
    return Budget.model_validate({name: most for name, most in limits.items() if most is not None})


def _require_collection(agent: CogAgent, name: str) -> None:
    """Refuse a collection that is not there, before anything else is done."""
    names = [found.name for found in agent.collections.list()]
    if name not in names:
        raise NotFoundError(
            f"there is no collection {name!r}.",
            remedy=f"Collections there: {', '.join(names)}."
            if names
            else "Ingest something first.",
        )


def _streamed(agent: CogAgent, question: str, keywords: dict[str, Any]) -> Answer:
    from cogagent.types import DoneEvent, ErrorEvent, PlanEvent, StepEvent

    for event in agent.stream(question, **keywords):
        if isinstance(event, PlanEvent):
            say(f"step {event.step.number}: {event.step.thought}")
            for query in event.step.queries:
                say(f"  {query.tool}: {query.text or 'your picture'}")
        elif isinstance(event, StepEvent):
            say(f"  {event.step.digest} in {event.step.seconds:.2f} s")
        elif isinstance(event, ErrorEvent):
            raise error_of(event.code, event.message)
        elif isinstance(event, DoneEvent):
            return event.answer
    raise CogAgentError("the stream ended without an answer.")


def _write_crops(agent: CogAgent, answer: Answer, folder: Path) -> None:
    """Write the cited places, named by their markers."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        say(f"cogagent: the crops are not written: {error}")
        return
    for citation in answer.citations:
        path = folder / f"{citation.marker}.png"
        if _save(partial(agent.crop, citation), path):
            say(f"[{citation.marker}] {path}")


def _save(make: Callable[[], Image], path: Path) -> bool:
    """Save a picture of a citation; a page that cannot be shown costs no answer."""
    try:
        make().save(path, format="PNG")
    except (CogAgentError, OSError) as error:
        say(f"cogagent: the citation is not drawn: {error}")
        return False
    return True


def _print_picture(picture: Element, *, words: bool) -> None:
    """A picture at its three levels: the whole, blocks, words."""
    print(f"[{picture.kind}: {picture.look}] {one_line(picture.caption, 300)}".rstrip())
    print(f"  {picture.whole}")
    for block in picture.blocks:
        print(f"  {_corners(block.box)} {block.role}: {one_line(block.text, 200)}")
    placed = picture.placed_words()
    if picture.blocks:
        print(f"  {len(placed)} words" + (":" if words else ""))
    for word in placed if words else ():
        print(f"    {_corners(word.box)} {word.text}")


def _corners(box: Box) -> str:
    return " ".join(f"{edge:.3f}" for edge in box)


@contextmanager
def _progress() -> Iterator[Any]:
    """A progress bar of an ingest."""
    with _bar("documents", "pages/s") as move:

        def show(progress: Progress) -> None:
            move(
                progress.documents, progress.total, progress.pages_per_second,
                progress.seconds_left,
            )  # fmt: skip

        yield show if move else None


@contextmanager
def _batch_progress() -> Iterator[Any]:
    """A progress bar of a batch."""
    with _bar("questions", "questions/s") as move:

        def show(progress: BatchProgress) -> None:
            move(progress.done, progress.total, progress.per_second, progress.seconds_left)

        yield show if move else None


@contextmanager
def _bar(things: str, pace: str) -> Iterator[Any]:
    """A progress bar on stderr, when that is a terminal.

    It is moved by a call with how many are done, how many there are, the pace
    and the seconds left.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.completed}/{task.fields[all]} " + things),
        BarColumn(),
        TextColumn("{task.fields[pace]:.1f} " + pace + ", {task.fields[left]} left"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, all="?", pace=0.0, left="?")

        def move(done: int, total: int | None, rate: float, left: float | None) -> None:
            bar.update(
                task,
                total=total,
                completed=done,
                all="?" if total is None else total,
                pace=rate,
                left="?" if left is None else f"{left:.0f} s",
            )

        yield move


if __name__ == "__main__":
    main()
