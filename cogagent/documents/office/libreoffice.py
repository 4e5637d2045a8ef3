"""LibreOffice as a converter: a document goes in, a PDF or a newer format comes out.

It runs without a window, a network or macros, in a folder of its own that is
removed however the run ends. The last results are kept, so that loading a
document, looking at its pictures and showing its pages convert it once.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cogagent.documents.base import label
from cogagent.errors import DocumentError, UnsupportedFormatError

if TYPE_CHECKING:
    from cogagent.config import LimitSettings, ParseSettings
    from cogagent.types import Source

_log = logging.getLogger(__name__)

INSTALL = "Install LibreOffice, so that `soffice` is on the PATH."
_SHARE_OF_SILENCE = 0.7
"""Of the time that a parser may be silent; the rest is for reading what came out."""
_STARTS_ANEW = 81
"""Exit status with which LibreOffice asks to be started again, after making its profile."""
_MOST_STARTS = 3
_KEPT = 2
_TIDY_UP = 'read -r _; rm -rf -- "$0" || { sleep 2; rm -rf -- "$0"; }'
"""Tried twice: a program that is being killed may still write while its folder goes."""
_MIB = 1 << 20
_kept: OrderedDict[tuple[str, str], bytes | ConversionError] = OrderedDict()

_DEAD_PROXY = "http://127.0.0.1:9"
"""Nothing listens on the discard port: what should go to the network goes nowhere."""
_SETTINGS: dict[str, dict[str, int | str | bool]] = {
    "Inet/Settings": {
        "ooInetProxyType": 2,
        "ooInetNoProxy": "",
        **{f"ooInet{kind}ProxyName": "127.0.0.1" for kind in ("HTTP", "HTTPS", "FTP")},
        **{f"ooInet{kind}ProxyPort": 9 for kind in ("HTTP", "HTTPS", "FTP")},
    },
    "Office.Common/Security/Scripting": {
        "MacroSecurityLevel": 3,
        "DisableMacrosExecution": True,
        "BlockUntrustedRefererLinks": True,
        "DisableActiveContent": True,
    },
    "Office.Common/Misc": {"UseOpenCL": False},
    "Office.Writer/Content/Update": {"Link": 0},
    "Office.Calc/Content/Update": {"Link": 2},
}


class ConversionError(Exception):
    """LibreOffice made nothing of a document, or took too long."""


def program() -> str | None:
    """Where LibreOffice is; ``None`` if it is not installed."""
    found = shutil.which("soffice") or shutil.which("libreoffice")
    if found is None:
        return None
    # The program itself: the script around it leaves a process in between.
    inner = Path(found).resolve().with_name("soffice.bin")
    return str(inner) if os.access(inner, os.X_OK) else found


def wanted(parse: ParseSettings) -> bool:
    """Whether documents are to be converted: LibreOffice is there and not switched off."""
    return parse.office and program() is not None


def convert(
    source: Source,
    write: Callable[[Path], None],
    name: str,
    target: str,
    limits: LimitSettings,
) -> bytes:
    """A document in another format; the last ones are remembered, failures as well.

    Args:
        source: With ``data``, which the result is remembered by.
        write: Writes what LibreOffice is given to a path.
        name: File name for it; the suffix counts.
        target: What LibreOffice is to make, for example ``pdf``, with filter and options
            after a colon.
        limits: ``parse_seconds`` and ``file_mb`` count.

    Raises:
        ConversionError: LibreOffice is not there, failed, or took too long.
    """
    assert source.data is not None
    binary = program()
    if binary is None:
        raise ConversionError("LibreOffice is not installed")
    key = (hashlib.sha256(source.data).hexdigest(), target)
    if key not in _kept:
        try:
            _kept[key] = _convert(binary, write, name, target, limits)
        except ConversionError as error:
            _kept[key] = error
        while len(_kept) > _KEPT:
            _kept.popitem(last=False)
    _kept.move_to_end(key)
    found = _kept[key]
    if isinstance(found, ConversionError):
        raise found
    return found


def convert_or_warn(
    source: Source,
    write: Callable[[Path], None],
    name: str,
    target: str,
    limits: LimitSettings,
    parse: ParseSettings,
) -> bytes | None:
    """Like :func:`convert`; ``None``, with a warning in the log, where there is no result."""
    if not parse.office:
        return None
    try:
        return convert(source, write, name, target, limits)
    except ConversionError as error:
        _log.warning("%s is read without rectangles: %s", label(source.uri), error)
        return None


def no_pages(source: Source, parse: ParseSettings, reason: str = "") -> DocumentError:
    """The error for a document whose pages nobody can show here."""
    if not parse.office:
        remedy = "Switch the setting parse.office on."
    elif program() is None:
        remedy = INSTALL
    else:
        remedy = "Convert it to PDF by hand."
    why = f": {reason}." if reason else " without LibreOffice."
    return UnsupportedFormatError(
        f"{label(source.uri)} cannot be shown{why}",
        uri=source.uri,
        remedy=remedy,
    )


def decrypted(source: Source, parse: ParseSettings) -> Source:
    """The source with the password taken off, itself if it has none.

    Raises:
        PasswordRequiredError: It is encrypted and no configured password fits.
        CorruptDocumentError: It is encrypted and damaged.
    """
    from cogagent.documents.office import kinds

    data = source.data or b""
    if not data.startswith(kinds.OLE_MAGIC):
        return source
    from cogagent.documents.office.password import decrypt

    return source.model_copy(update={"data": decrypt(data, source.uri, parse)})


def _convert(
    binary: str, write: Callable[[Path], None], name: str, target: str, limits: LimitSettings
) -> bytes:
    with _folder() as folder:
        (folder / "in").mkdir()
        write(folder / "in" / name)
        _write_profile(folder / "profile" / "user")
        seconds = limits.parse_seconds * _SHARE_OF_SILENCE
        said = _run(binary, folder, name, target, seconds, limits.file_mb * _MIB)
        made = list((folder / "out").glob("*"))
        if not made:
            raise ConversionError(f"LibreOffice made nothing of it ({said or 'and said nothing'})")
        return made[0].read_bytes()


def _run(binary: str, folder: Path, name: str, target: str, seconds: float, most: int) -> str:
    """Run LibreOffice to its end; what it said, in one line.

    Raises:
        ConversionError: It did not end in time.
    """
    import time

    child = Path(__file__).with_name("child.py")
    command = [
        sys.executable, "-I", "-S", str(child), str(most), binary,
        f"-env:UserInstallation={(folder / 'profile').as_uri()}",
        "--headless", "--norestore", "--nolockcheck", "--nodefault", "--nologo",
        "--convert-to", target, "--outdir", str(folder / "out"), str(folder / "in" / name),
    ]  # fmt: skip
    until = time.monotonic() + seconds
    said = ""
    for _ in range(_MOST_STARTS):
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=_environment(folder),
        )
        try:
            output, _ = process.communicate(timeout=max(until - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired as error:
            raise ConversionError(f"LibreOffice took longer than {seconds:.0f} s") from error
        finally:
            _end(process)
        said = " / ".join(output.decode("utf-8", "replace").split("\n")).strip(" /")[-300:]
        if process.returncode != _STARTS_ANEW:
            break
    return said


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and what it started, as far as it still runs, and release its pipe."""
    import psutil

    if process.poll() is None:
        try:
            family = psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        for member in family:
            member.kill()  # psutil checks that the id is still the same process
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _environment(folder: Path) -> dict[str, str]:
    """Little of what is around: no display, no session bus, no home to leave traces in."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    proxies = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")
    return kept | {
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "LC_ALL": "C.UTF-8",
        "SAL_USE_VCLPLUGIN": "svp",
        "SAL_DISABLE_OPENCL": "1",
        **dict.fromkeys(proxies, _DEAD_PROXY),
        **{name.upper(): _DEAD_PROXY for name in proxies},
    }


def _write_profile(user: Path) -> None:
    items = []
    for path, values in _SETTINGS.items():
        for name, value in values.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            items.append(
                f'<item oor:path="/org.openoffice.{path}"><prop oor:name="{name}" '
                f'oor:op="fuse"><value>{text}</value></prop></item>'
            )
    user.mkdir(parents=True)
    (user / "registrymodifications.xcu").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<oor:items xmlns:oor="http://openoffice.org/2001/registry" '
        'xmlns:xs="http://www.w3.org/2001/XMLSchema" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"{''.join(items)}</oor:items>\n",
        "utf-8",
    )


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder that is removed even if this process is killed.

    A shell in a session of its own waits for the end of this process, which
    closes the pipe between them, and removes the folder then.
    """
    path = tempfile.mkdtemp(prefix="cogagent-office-")
    janitor = subprocess.Popen(  # noqa: S603 - our own command line
        ["/bin/sh", "-c", _TIDY_UP, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        process_group=0,
    )
    assert janitor.stdin is not None
    try:
        yield Path(path)
    finally:
        janitor.stdin.close()
        janitor.wait()
