# The service in a container: the same pinned packages as `make test` runs on, in a slim image.
# docs/running.md says how to use it.
#
# 3.11 is the version that everything is tested with; slim (Debian, glibc) since the wheels of
# openvino, faiss and torch are made for it.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS dependencies
# Further extras of pyproject.toml: `llamacpp` and `models` for models in this process.
ARG EXTRAS=service,openai,telemetry,web
# torch for processors; the one of PyPI brings gigabytes for graphics cards along.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/cogagent
ENV PATH=/opt/cogagent/bin:$PATH
# For a package without code: they stay as they are when the code changes.
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
RUN pip install -c constraints.txt --no-deps --index-url "${TORCH_INDEX}" torch
RUN mkdir cogagent && touch cogagent/__init__.py \
    && pip install -c constraints.txt --only-binary xllamacpp ".[${EXTRAS}]" \
    && pip uninstall --yes cogagent

FROM dependencies AS package
COPY cogagent cogagent
RUN pip wheel --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="cogagent" \
      org.opencontainers.image.description="Ask documents and pictures; every claim points at a page and a rectangle" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 cogagent \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin cogagent \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
# Two layers, so that a new version of the program is a small one.
COPY --from=dependencies /opt/cogagent /opt/cogagent
ENV PATH=/opt/cogagent/bin:$PATH
RUN --mount=type=bind,from=package,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --no-deps /wheels/*.whl
ENV COGAGENT_HOME=/data \
    COGAGENT_SERVICE__HOST=0.0.0.0 \
    COGAGENT_SERVICE__PORT=8600
# A number, so that an orchestrator can tell that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8600
# By http.client, which asks no proxy that the environment names.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as web, os, sys; service = web.HTTPConnection('127.0.0.1', int(os.environ['COGAGENT_SERVICE__PORT']), timeout=4); service.request('GET', '/readyz'); sys.exit(service.getresponse().status != 200)"]
ENTRYPOINT ["cogagent"]
CMD ["serve"]
