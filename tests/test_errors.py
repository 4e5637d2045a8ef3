from __future__ import annotations

import inspect
import re

import pytest

from cogagent import errors
from cogagent.errors import CogAgentError, DocumentError, PasswordRequiredError


def classes() -> list[type[CogAgentError]]:
    return [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, CogAgentError)
    ]


def test_the_drawn_tree_is_the_real_one() -> None:
    depths: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│ ]*)(?:[├└]── )?(\w+Error)\b", line)
        if match:
            depth = len(match[1]) // 4 + ("──" in line)
            depths[depth:] = [match[2]]
            if depth:
                parent = getattr(errors, depths[depth - 1])
                assert getattr(errors, match[2]).__bases__ == (parent,), line
    drawn = set(re.findall(r"\w+Error\b", errors.__doc__ or ""))
    assert drawn == {kind.__name__ for kind in classes()}


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in classes()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", [DocumentError, *DocumentError.__subclasses__()])
def test_document_errors_cross_a_process_boundary(kind: type[DocumentError]) -> None:
    error = kind("what happened", uri="file", stage="read", remedy="do this")
    back = DocumentError.from_dict(error.to_dict())
    assert type(back) is kind
    assert back.to_dict() == error.to_dict()


def test_an_unknown_code_is_still_a_document_error() -> None:
    data = PasswordRequiredError("x").to_dict() | {"code": "from the future"}
    assert type(DocumentError.from_dict(data)) is DocumentError


def test_a_message_ends_with_its_remedy() -> None:
    assert str(CogAgentError("It broke.", remedy="Mend it.")) == "It broke. Mend it."
