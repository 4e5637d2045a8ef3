"""The names in traces: OpenTelemetry's semantic conventions, and our own beside them.

Those of ``gen_ai.*`` are in development: they were taken from version 0.1.0 of the repository
semantic-conventions-genai and from version 1.41 of semantic-conventions. When they change,
this file changes, and nothing else.
"""

from __future__ import annotations

SCOPE = "cogagent"
"""Of the tracer; also the name of the agent and of the service."""

# --- of all spans -----------------------------------------------------------
ERROR_TYPE = "error.type"
SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"

# --- HTTP (stable) ----------------------------------------------------------
HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
HTTP_SCHEME = "url.scheme"
OTHER_METHOD = "_OTHER"

# --- generative AI (in development) -----------------------------------------
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
AGENT_NAME = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
DATA_SOURCE = "gen_ai.data_source.id"
MODEL = "gen_ai.request.model"
MAX_TOKENS = "gen_ai.request.max_tokens"
TEMPERATURE = "gen_ai.request.temperature"
STREAM = "gen_ai.request.stream"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
DIMENSIONS = "gen_ai.embeddings.dimension.count"
TOOL_NAME = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOP_K = "gen_ai.retrieval.top_k"

INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
QUERY_TEXT = "gen_ai.retrieval.query.text"

INVOKE_AGENT = "invoke_agent"
PLAN = "plan"
EXECUTE_TOOL = "execute_tool"
RETRIEVAL = "retrieval"
CHAT = "chat"
EMBEDDINGS = "embeddings"
DATASTORE = "datastore"
EXTENSION = "extension"

# --- our own ----------------------------------------------------------------
TRACE = "cogagent.trace.id"
"""Of the answer: ``Answer.trace``, by which ``cogagent trace show`` finds it."""
OUTCOME = "cogagent.outcome"
PLANNER = "cogagent.planner"
REPLAY = "cogagent.replay"
CANCELLED = "cogagent.cancelled"
STEP = "cogagent.step"
QUERIES = "cogagent.queries"
FOUND = "cogagent.evidence.count"
CITATIONS = "cogagent.citations.count"
PURPOSE = "cogagent.model.purpose"
ROLE = "cogagent.model.role"
CACHED = "cogagent.model.cached"
INPUTS = "cogagent.embeddings.inputs"
JOB = "cogagent.job.id"
JOB_KIND = "cogagent.job.kind"
MEDIA_TYPE = "cogagent.document.media_type"
URI = "cogagent.document.uri"
RESULT = "cogagent.result"
SOURCES = "cogagent.ingest.sources"
INGESTED = "cogagent.ingest.ingested"
SKIPPED = "cogagent.ingest.skipped"
FAILED = "cogagent.ingest.failed"
PAGES = "cogagent.ingest.pages"
CHUNKS = "cogagent.ingest.chunks"
IMAGES = "cogagent.ingest.images"
DOCUMENTS = "cogagent.store.documents"
