"""The REST door, a file a resource."""

from cogagent.api.routes import (
    asks,
    collections,
    conversations,
    documents,
    evidence,
    jobs,
    service,
    traces,
    uploads,
)

ROUTERS = (
    collections.routes,
    documents.routes,
    uploads.routes,
    asks.routes,
    evidence.routes,
    conversations.routes,
    traces.routes,
    jobs.routes,
    service.routes,
)
"""In the order of the OpenAPI document."""
