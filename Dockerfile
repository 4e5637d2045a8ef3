# The service in a container: the same pinned packages as `make test` runs on, in a slim image.
# docs/running.md says how to use it.
#
# 3.11 is the version that everything is tested with; slim (Debian, glibc) since the wheels of
# openvino, faiss and llama.cpp are made for it.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS base
# What llama.cpp asks for.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*

FROM base AS dependencies
# Extras of pyproject.toml: `llamacpp` and `models` are for models in this process.
ARG EXTRAS="service openai telemetry web"
# torch is for `models` alone: `cpu`, or the graphics card's (`uv help pip install`).
ARG TORCH=cpu
# uv, since pip can neither leave out a dependency nor choose torch's kind.
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /src
COPY pyproject.toml constraints.txt deploy/without-torch.txt ./
RUN uv venv /opt/cogagent
ENV VIRTUAL_ENV=/opt/cogagent UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
# What the package needs, without itself: it stays as it is when the code changes.
# hadolint ignore=SC2046,SC2086 # each extra is a word
RUN case " ${EXTRAS} " in *" models "*) without= ;; *) without="--override without-torch.txt" ;; esac \
    && uv pip install -r pyproject.toml $(printf -- '--extra %s ' ${EXTRAS}) -c constraints.txt \
        --only-binary xllamacpp --torch-backend "${TORCH}" ${without}

FROM dependencies AS package
COPY README.md LICENSE NOTICE ./
COPY cogagent cogagent
RUN uv build --wheel --out-dir /wheels

# llama.cpp's server, for compose's profile `model`.
FROM base AS model
WORKDIR /srv
COPY constraints.txt deploy/model_server.py ./
RUN pip install --no-cache-dir --no-compile -c constraints.txt --only-binary :all: xllamacpp
ENV HOST=0.0.0.0
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import http.client as web, os, sys; service = web.HTTPConnection('127.0.0.1', int(os.environ.get('PORT', '8080')), timeout=4); service.request('GET', '/health'); sys.exit(service.getresponse().status != 200)"]
ENTRYPOINT ["python", "/srv/model_server.py"]

FROM base
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
    pip --python /opt/cogagent/bin/python install --no-cache-dir --no-index --no-deps /wheels/*.whl
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
