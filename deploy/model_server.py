"""llama.cpp's server over one GGUF file, as the container ``model`` of compose.yaml runs it.

It speaks OpenAI's protocol and is set by environment variables:

    MODEL     the GGUF file
    MMPROJ    the file of its eyes, for a model that sees pictures
    HOST      address to listen on (127.0.0.1; in the container 0.0.0.0)
    PORT      (8080)
    CONTEXT   tokens of a prompt and its answer together (8192)
    PARALLEL  prompts at a time; each has a context of its own (2)
    THREADS   (0: llama.cpp's choice)
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import xllamacpp


def main() -> None:
    """Serve until told to stop."""
    stops = (signal.SIGINT, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # in the server's threads too
    try:
        server = xllamacpp.Server(parameters())
    except (RuntimeError, ValueError) as error:
        sys.exit(f"llama.cpp does not load {os.environ['MODEL']!r}: {error}")
    print(f"llama.cpp {xllamacpp.__version__} on {server.listening_address}", flush=True)
    signal.sigwait(stops)


def parameters() -> xllamacpp.CommonParams:
    """What the environment says."""
    given = os.environ
    model, eyes = given.get("MODEL", ""), given.get("MMPROJ", "")
    for name, path in (("MODEL", model), ("MMPROJ", eyes or model)):
        if not Path(path).is_file():
            sys.exit(f"{name} is {path!r}, which is no file here.")
    parallel = int(given.get("PARALLEL", "2"))
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.mmproj.path = eyes
    params.hostnames = [given.get("HOST", "127.0.0.1")]
    params.port = int(given.get("PORT", "8080"))
    params.n_parallel = parallel
    params.n_ctx = int(given.get("CONTEXT", "8192")) * parallel
    threads = int(given.get("THREADS", "0"))
    if threads:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.offline = True
    params.ui = False
    return params


if __name__ == "__main__":
    main()
