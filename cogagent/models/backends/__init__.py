"""Backends of the language model seam, one file each; see :mod:`cogagent.models.mllm`."""
