# The service in a container: the same pinned packages as `make test` runs on, in a slim image.
# docs/running.md says how to use it.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
# Further extras of pyproject.toml: `llamacpp` and `models` for models in this process.
ARG EXTRAS=service,openai,telemetry,web
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/cogagent
ENV PATH=/opt/cogagent/bin:$PATH
# The dependencies first, for a package without code: they stay as they are when the code changes.
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
RUN mkdir cogagent && touch cogagent/__init__.py \
    && pip install -c constraints.txt --only-binary xllamacpp ".[${EXTRAS}]" \
    && pip uninstall --yes cogagent
COPY cogagent cogagent
RUN pip install --no-deps .

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="cogagent" \
      org.opencontainers.image.description="Ask documents and pictures; every claim points at a page and a rectangle" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 cogagent \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin cogagent \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=build /opt/cogagent /opt/cogagent
ENV PATH=/opt/cogagent/bin:$PATH \
    COGAGENT_HOME=/data \
    COGAGENT_SERVICE__HOST=0.0.0.0 \
    COGAGENT_SERVICE__PORT=8600
# A number, so that an orchestrator can tell that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8600
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen('http://127.0.0.1:' + os.environ['COGAGENT_SERVICE__PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["cogagent"]
CMD ["serve"]
