"""The door for OpenAI's clients: chat completions, models, files and embeddings."""

from __future__ import annotations

from fastapi import APIRouter

from cogagent.api.openai import chat, embeddings, files, models

router = APIRouter()
for _part in (chat, models, files, embeddings):
    router.include_router(_part.router)
