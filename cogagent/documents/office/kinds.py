"""What is in a container: office documents told by their members, whatever the file is called.

Names of members alone are looked at, and nothing is unpacked, since this runs
in the program itself and not in a parser process.
"""

from __future__ import annotations

from cogagent.documents.zipped import member_names

_OOXML = "application/vnd.openxmlformats-officedocument."
DOCX = f"{_OOXML}wordprocessingml.document"
PPTX = f"{_OOXML}presentationml.presentation"
XLSX = f"{_OOXML}spreadsheetml.sheet"
EPUB = "application/epub+zip"
DOC, PPT, XLS = "application/msword", "application/vnd.ms-powerpoint", "application/vnd.ms-excel"
ODT = "application/vnd.oasis.opendocument.text"
ODP = "application/vnd.oasis.opendocument.presentation"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
RTF = "application/rtf"
CONVERTED = (DOC, PPT, XLS, ODT, ODP, ODS, RTF)
"""Read as what LibreOffice makes of them."""
PROTECTED = "application/x-ooxml-protected"
"""An office document behind a password: what kind it is shows once it is decrypted."""

OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ALIASES = {
    "application/vnd.ms-word.document.macroenabled.12": DOCX,
    "application/vnd.ms-word.template.macroenabled.12": DOCX,
    f"{_OOXML}wordprocessingml.template": DOCX,
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": PPTX,
    "application/vnd.ms-powerpoint.slideshow.macroenabled.12": PPTX,
    "application/vnd.ms-powerpoint.template.macroenabled.12": PPTX,
    f"{_OOXML}presentationml.slideshow": PPTX,
    f"{_OOXML}presentationml.template": PPTX,
    "application/vnd.ms-excel.sheet.macroenabled.12": XLSX,
    "application/vnd.ms-excel.template.macroenabled.12": XLSX,
    f"{_OOXML}spreadsheetml.template": XLSX,
    "text/rtf": RTF,
}
"""Kinds that differ in macros or in being a template; macros are never run."""
_SUFFIXES = {".docx": DOCX, ".pptx": PPTX, ".xlsx": XLSX, ".epub": EPUB}
_FOLDERS = {"word": DOCX, "ppt": PPTX, "xl": XLSX}
_BINARY_SHEET = "application/vnd.ms-excel.sheet.binary.macroenabled.12"
_STREAMS = (
    ("EncryptedPackage", PROTECTED),
    ("WordDocument", DOC),
    ("PowerPoint Document", PPT),
    ("Workbook", XLS),
)
_MIMETYPE = b"mimetype"
_HEAD = 30
_DECLARED = (EPUB, ODT, ODP, ODS)


def in_zip(data: bytes, name: str = "") -> str | None:
    """The media type of the document that a ZIP file is; ``None`` if it is no known one.

    Args:
        data: The whole file or its beginning.
        name: Decides where nothing of the content is left to tell by.
    """
    if data[_HEAD : _HEAD + len(_MIMETYPE)] == _MIMETYPE:
        # ODF and EPUB name themselves in their first member, which is not compressed.
        extra = int.from_bytes(data[28:30], "little")
        declared = data[_HEAD + len(_MIMETYPE) + extra :][:100]
        # The longest that fits: some names begin with another.
        found = [kind for kind in _DECLARED if declared.startswith(kind.encode())]
        return max(found, key=len, default=None)
    names = member_names(data)
    if not names:
        return _SUFFIXES.get(name[-5:].lower())
    if "[Content_Types].xml" not in names:
        return None
    if "xl/workbook.bin" in names:
        return _BINARY_SHEET
    folders = dict.fromkeys(name.partition("/")[0] for name in names if "/" in name)
    return next((_FOLDERS[folder] for folder in folders if folder in _FOLDERS), None)


def in_ole(data: bytes, name: str = "") -> str | None:
    """The media type of the document in an OLE container, by the names of its streams.

    Args:
        data: The whole file or its beginning.
        name: Decides where there are streams of several, as in a text with a sheet in it.
    """
    found = {
        kind: at for stream, kind in _STREAMS if (at := data.find(stream.encode("utf-16-le"))) >= 0
    }
    if PROTECTED in found:
        return PROTECTED
    suffixes = {".doc": DOC, ".dot": DOC, ".ppt": PPT, ".pps": PPT, ".pot": PPT, ".xls": XLS}
    named = suffixes.get(name[-4:].lower())
    return named if named in found else min(found, key=found.__getitem__, default=None)
