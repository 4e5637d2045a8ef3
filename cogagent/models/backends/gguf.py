"""Reads the header of a GGUF file: what it holds, before gigabytes of it are loaded."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

from cogagent.errors import ModelLoadError
from cogagent.types import Record

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_TOKENS, _TOKEN_KINDS, _CONTROL = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type", 3
_KEYS = 1 << 16
_TENSORS = 1 << 20
_DIMENSIONS = 4
_TEXT = 1 << 24
_HEADER = 1 << 28
"""Most bytes of a header; the largest vocabularies take 20 MiB."""


class Header(Record):
    """What a GGUF file says of itself."""

    architecture: str
    values: dict[str, Any]
    """Metadata; arrays are left out."""
    controls: tuple[str, ...] = ()
    """Texts that are tokens of the model's protocol, like ``<|im_end|>``, not of language."""

    def number(self, name: str) -> int | None:
        """A whole number by its name under the architecture's."""
        value = self.values.get(f"{self.architecture}.{name}")
        whole = isinstance(value, int) and not isinstance(value, bool)
        return value if whole else None

    def cache_bytes(self, tokens: int) -> int:
        """Memory, in bytes, of what a model of 16-bit keys and values keeps of ``tokens``."""
        layers, width = self.number("block_count") or 0, self.number("embedding_length") or 0
        heads = self.number("attention.head_count") or 1
        groups = self.number("attention.head_count_kv") or heads
        key = self.number("attention.key_length") or width // heads
        value = self.number("attention.value_length") or key
        return 2 * layers * groups * (key + value) * tokens


def read_header(path: Path) -> Header:
    """The header of a GGUF file.

    Raises:
        ModelLoadError: If the file is missing, is no GGUF file, or is cut short.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return _Reader(file, size).header()
    except OSError as error:
        raise ModelLoadError(
            f"the model file {str(path)!r} cannot be read: {error.strerror or error}.",
            remedy="Write llamacpp:FILE.gguf with the path of a GGUF file.",
        ) from error
    except (_DamagedError, UnicodeDecodeError, struct.error) as error:
        raise ModelLoadError(
            f"{str(path)!r} is no sound GGUF file: {error}.",
            remedy="Fetch the file again, and compare its size with what its publisher says.",
        ) from error


class _DamagedError(Exception):
    pass


class _Reader:
    """Reads numbers and texts in order, never past what a sound header can hold."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._tokens: list[bytes] = []
        self._kinds: tuple[int, ...] = ()

    def header(self) -> Header:
        if self._file.read(4) != _MAGIC:
            raise _DamagedError("it does not begin as one")
        version = self._scalar(4)
        if version not in _VERSIONS:
            raise _DamagedError(f"version {version} of the format is not known")
        tensors, keys = self._count(_TENSORS), self._count(_KEYS)
        values = {}
        for _ in range(keys):
            name = self._text()
            value = self._value(name, self._scalar(4))
            if value is not None:
                values[name] = value
        self._check_tensors(tensors, values.get("general.alignment", 32))
        architecture = values.get("general.architecture")
        if not isinstance(architecture, str):
            raise _DamagedError("it does not name its architecture")
        return Header(architecture=architecture, values=values, controls=self._controls())

    def _controls(self) -> tuple[str, ...]:
        kinds = zip(self._tokens, self._kinds, strict=False)
        found = {token.decode("utf-8", "replace") for token, kind in kinds if kind == _CONTROL}
        return tuple(sorted(token for token in found if len(token) > 2))

    def _check_tensors(self, count: int, alignment: Any) -> None:
        """A file that ends before its last tensor begins was cut short."""
        last = 0
        for _ in range(count):
            self._text()
            for _ in range(self._count(_DIMENSIONS, 4)):
                self._scalar(10)
            self._scalar(4)
            last = max(last, int(self._scalar(10)))
        step = alignment if isinstance(alignment, int) and alignment > 0 else 1
        start = -(-self._file.tell() // step) * step
        if count and start + last >= self._size:
            raise _DamagedError("it is cut short")

    def _value(self, name: str, kind: int) -> Any:
        if kind == _STRING:
            return self._text()
        if kind == _ARRAY:
            return self._array(name)
        return self._scalar(kind)

    def _array(self, name: str) -> None:
        kind, length = self._scalar(4), self._count(_HEADER)
        if kind == _STRING and name == _TOKENS:
            self._tokens = [self._bytes(self._count(_TEXT)) for _ in range(length)]
        elif kind == _STRING:
            for _ in range(length):
                self._pass(self._count(_TEXT))
        elif kind in _SCALARS:
            form = f"<{length}{_SCALARS[kind]}"
            if name == _TOKEN_KINDS:
                self._kinds = struct.unpack(form, self._bytes(struct.calcsize(form)))
            else:
                self._pass(struct.calcsize(form))
        else:
            raise _DamagedError(f"it holds a list of unknown kind {kind}")

    def _text(self) -> str:
        return self._bytes(self._count(_TEXT)).decode("utf-8")

    def _count(self, most: int, kind: int = 10) -> int:
        count = int(self._scalar(kind))
        if not 0 <= count <= most:
            raise _DamagedError(f"it claims to hold {count} of something")
        return count

    def _scalar(self, kind: int) -> Any:
        if kind not in _SCALARS:
            raise _DamagedError(f"it holds a value of unknown kind {kind}")
        form = "<" + _SCALARS[kind]
        (value,) = struct.unpack(form, self._bytes(struct.calcsize(form)))
        return value

    def _bytes(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise _DamagedError("it is cut short")
        return data

    def _pass(self, count: int) -> None:
        place = self._file.seek(count, 1)
        if place > min(self._size, _HEADER):
            raise _DamagedError("it is cut short")
