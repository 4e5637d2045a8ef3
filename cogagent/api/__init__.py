"""The service: web page, REST, OpenAI-compatible and MCP doors to one home, its jobs and API keys."""
