from __future__ import annotations

import shutil
from pathlib import Path

import hypothesis
import pytest

from cogagent.config import LimitSettings, ParseSettings, Settings
from cogagent.documents import registry
from cogagent.documents.pool import ParserPool

# Other processes share the machine: a slow example is no failure.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")


@pytest.fixture
def limits():
    return LimitSettings()


@pytest.fixture
def parse():
    return ParseSettings()


@pytest.fixture
def hostile(tmp_path_factory, monkeypatch):
    """Installs ``hostile_loader`` as another package's loader; returns its folder."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(Path(__file__).with_name("hostile_loader.py"), folder)
    info = folder / "hostile_loader-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile-loader\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[cogagent.loaders]\napplication/x-hostile = hostile_loader:HostileLoader\n"
    )
    monkeypatch.syspath_prepend(folder)
    registry.plug_ins.cache_clear()
    yield folder
    registry.plug_ins.cache_clear()


@pytest.fixture
def make_pool(hostile):
    """Builds pools whose limits and parse settings are given by keyword."""
    pools = []

    def make(workers=1, passwords=(), **limits):
        settings = Settings(
            limits=LimitSettings(**limits),
            parse=ParseSettings(workers=workers, passwords=passwords),
        )
        pools.append(ParserPool(settings))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


NAUGHTY = [
    "",
    " ",
    "\n",
    "\f\f",
    "\r\n\r\n",
    "\u200b",
    "\ufeff",
    "\u202e backwards",
    "e\u0301 and \u00e9",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\u2028\u2029",
    "a\tb\vc",
    "NULL",
    "undefined",
    "<script>alert(1)</script>",
    "';DROP TABLE chunks;--",
    "../../../etc/passwd",
    "%s%d%n",
    "{{7*7}} ${x}",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629. \u0646\u0639\u0645\u061f",
    "\u4eca\u5929\u3002\u597d\uff01",
    "z\u0317\u034d\u0328a\u0335l\u0338g\u0316o",
    "." * 500,
    "a" * 5000,
    "A. B. C. " * 100,
    "-" * 300,
    "|" * 300,
    "[" * 300,
    "# " * 100,
    "> " * 100,
    "`" * 101,
    "&amp;&lt;&#0;&#xD800;&nosuch;",
    "![](",
    "---\n",
    "---\ntitle: x",
    "| a |\n| - |\n",
]


@pytest.fixture(params=NAUGHTY, ids=lambda text: ascii(text[:12]))
def naughty(request):
    """A string that has broken programs before."""
    return request.param
