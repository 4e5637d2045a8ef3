"""A language model that recites one text: small, quick, and the same through every backend.

It runs like any other, through the same code and from the same kind of file. What it
writes is known to the letter, which no model that can be packaged offers.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

TURNS = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + "
    "message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_BYTES_A_TOKEN = 3
_HEADS = 4
_CONTEXT = 1 << 15
_NORMAL, _CONTROL = 1, 3


def write_reciter(path: Path, text: str) -> Path:
    """A Llama as a GGUF file, whose attention sees nothing.

    Every token is a direction of its own, and leads to the one after it in the text: the
    last of a prompt to the first of the text, the last of the text to the end of the turn.

    Args:
        path: Of the file.
        text: What it writes; tokens are cut across its characters.
    """
    import gguf

    signs = _signs()
    recited = _pieces("".join(signs[byte] for byte in text.encode()))
    controls = ["<|im_start|>", "<|im_end|>"]
    tokens = [*signs.values(), *recited, "\u0120\u0120", *controls]
    places = {token: place for place, token in enumerate(tokens)}
    width = -(-len(tokens) // (2 * _HEADS)) * 2 * _HEADS
    follows = np.zeros((len(tokens), width), np.float32)
    chain = [signs[ord("\n")], *recited, "<|im_end|>"]
    for token, after in pairwise(chain):
        follows[places[after], places[token]] = 1.0

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("reciter")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(width)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // _HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([_CONTROL if token in controls else _NORMAL for token in tokens])
    writer.add_token_merges(["\u0120 \u0120"])
    writer.add_bos_token_id(places["<|im_start|>"])
    writer.add_eos_token_id(places["<|im_end|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TURNS)
    nothing = np.zeros((width, width), np.float32)
    writer.add_tensor("token_embd.weight", np.eye(len(tokens), width, dtype=np.float32))
    writer.add_tensor("output.weight", follows)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(width, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", nothing)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _signs() -> dict[int, str]:
    """The sign that stands for each byte in a vocabulary of GPT-2's kind."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    other = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {
        byte: chr(256 + place) for place, byte in enumerate(other)
    }


def _pieces(text: str) -> list[str]:
    """The text cut into tokens, no two of them equal."""
    found: list[str] = []
    while text:
        length = _BYTES_A_TOKEN
        while text[:length] in found:
            length += 1
        found.append(text[:length])
        text = text[length:]
    return found
