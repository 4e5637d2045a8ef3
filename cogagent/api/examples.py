"""An example of each thing that is sent: made of the types themselves, so that all fit."""

from __future__ import annotations

from typing import Any

EXAMPLES: dict[str, Any] = {}
"""By the name of the schema."""
