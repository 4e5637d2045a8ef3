"""The service: web page, REST, OpenAI-compatible and MCP doors to one home, jobs and API keys."""
