"""Runs the embedded networks: OpenVINO graphs, compiled for this machine's processor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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

    Raises:
        MissingPackageError: If OpenVINO, or the package of the weights, is not installed.
        ModelLoadError: If the weights cannot be read or the graph does not compile.
    """

    def __init__(self, build: Callable[[], Any], threads: int) -> None:
        try:
            import openvino

            core = openvino.Core()
            fast = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            options = {
                "INFERENCE_PRECISION_HINT": "bf16" if fast else "f32",
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": str(threads),
                # Two processes that pin their threads would pin them to the same cores.
                "ENABLE_CPU_PINNING": False,
            }
            self._compiled = core.compile_model(build(), "CPU", options)
        except ImportError as error:
            raise MissingPackageError(
                f"an embedded model needs the package {error.name}, which is not installed.",
                remedy="Install cogagent again: `pip install cogagent`.",
            ) from error
        except Exception as error:
            raise ModelLoadError(
                f"an embedded model does not load: {error}",
                remedy="Reinstall its package; `cogagent doctor` says which.",
            ) from error
        self._threads = threads

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
        from openvino import AsyncInferQueue

        results: list[list[NDArray[np.float32]]] = []

        def keep(request: Any, index: int) -> None:
            # The request's own memory is used again for the next batch.
            results[index] = [request.get_output_tensor(i).data.copy() for i in outputs]

        try:
            queue = AsyncInferQueue(self._compiled, self._threads)
            queue.set_callback(keep)
            for index, inputs in enumerate(batches):
                results.append([])
                queue.start_async(list(inputs), index)
            queue.wait_all()
        except RuntimeError as error:
            raise ModelError(f"an embedded model failed: {error}") from error
        return results
