"""Random models of a few hundred thousand numbers, saved as the hub's models are.

They write nonsense; what runs them is the same as for grown ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

TURNS = """{% for message in messages %}<|im_start|>{{ message['role'] }}
{% if message['content'] is string %}{{ message['content'] }}{% else %}\
{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE\
{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "initializer_range": 0.4,  # so that what is read makes a difference to what is written
}


def tokenizer(*special: str, template: str | None = TURNS, **named: str):
    """Every byte is a token, so that characters come in pieces."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={sign: at for at, sign in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>", *special])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=named,
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )


def llama(folder: Path, *, template: str | None = TURNS, **changes: object) -> Path:
    """A text-only model."""
    from transformers import LlamaConfig, LlamaForCausalLM

    words = tokenizer(template=template)
    config = LlamaConfig(**_text(words) | changes)
    return _saved(folder, LlamaForCausalLM, config, words)


def mistral(folder: Path) -> Path:
    """A text-only model whose layers look back eight tokens and no farther."""
    from transformers import MistralConfig, MistralForCausalLM

    words = tokenizer()
    return _saved(
        folder, MistralForCausalLM, MistralConfig(**_text(words), sliding_window=8), words
    )


def qwen2_vl(folder: Path) -> Path:
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    marks = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    words = tokenizer(
        *marks, template=TURNS.replace("IMAGE", "".join((marks[0], marks[2], marks[1])))
    )
    config = Qwen2VLConfig(
        text_config=_text(words) | {"rope_parameters": _rope()},
        vision_config={
            "depth": 1,
            "embed_dim": 32,
            "hidden_size": 32,
            "num_heads": 2,
            "mlp_ratio": 2,
            "initializer_range": 0.4,
        },
        **_places(words, *marks),
    )
    _qwen_pictures(folder, "Qwen2VLProcessor")
    return _saved(folder, Qwen2VLForConditionalGeneration, config, words)


def qwen2_5_vl(folder: Path, context: int = 1024, patches: int = 9) -> Path:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    marks = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    words = tokenizer(
        *marks, template=TURNS.replace("IMAGE", "".join((marks[0], marks[2], marks[1])))
    )
    config = Qwen2_5_VLConfig(
        text_config=_text(words)
        | {"rope_parameters": _rope(), "max_position_embeddings": context},
        vision_config={
            "depth": 1,
            "hidden_size": 32,
            "out_hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "fullatt_block_indexes": [0],
            "initializer_range": 0.4,
        },
        **_places(words, *marks),
    )
    _qwen_pictures(folder, "Qwen2_5_VLProcessor", patches)
    return _saved(folder, Qwen2_5_VLForConditionalGeneration, config, words)


def idefics3(folder: Path) -> Path:
    """SmolVLM's kind."""
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration

    words = _idefics_pictures(folder, "Idefics3")
    config = Idefics3Config(**_idefics(words))
    return _saved(folder, Idefics3ForConditionalGeneration, config, words)


def smolvlm(folder: Path) -> Path:
    """SmolVLM2's kind."""
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

    words = _idefics_pictures(folder, "SmolVLM")
    config = SmolVLMConfig(**_idefics(words))
    return _saved(folder, SmolVLMForConditionalGeneration, config, words)


def internvl(folder: Path) -> Path:
    from transformers import InternVLConfig, InternVLForConditionalGeneration

    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    words = tokenizer(*named.values(), template=TURNS.replace("IMAGE", "<IMG_CONTEXT>"), **named)
    config = InternVLConfig(
        text_config={"model_type": "qwen2", **_text(words)},
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": [28, 28],
            "patch_size": [7, 7],
            "initializer_range": 0.4,
        },
        image_seq_length=4,
        downsample_ratio=0.5,
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
    )
    _write(
        folder / "preprocessor_config.json",
        image_processor_type="GotOcr2ImageProcessor",
        crop_to_patches=True,
        max_patches=4,
        size={"height": 28, "width": 28},
    )
    _write(
        folder / "processor_config.json", processor_class="InternVLProcessor", image_seq_length=4
    )
    return _saved(folder, InternVLForConditionalGeneration, config, words)


def llava_onevision(folder: Path) -> Path:
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

    words = tokenizer("<image>", "<video>", template=TURNS.replace("IMAGE", "<image>"))
    config = LlavaOnevisionConfig(
        text_config={"model_type": "qwen2", **_text(words)},
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 7,
            "vision_use_head": False,
        },
        vision_feature_layer=-1,
        image_grid_pinpoints=[[28, 56], [56, 28], [56, 56]],
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
    )
    _write(
        folder / "preprocessor_config.json",
        image_processor_type="LlavaOnevisionImageProcessor",
        image_grid_pinpoints=[[28, 56], [56, 28], [56, 56]],
        size={"height": 28, "width": 28},
    )
    _write(
        folder / "processor_config.json",
        processor_class="LlavaOnevisionProcessor",
        num_image_tokens=16,
        vision_feature_select_strategy="full",
    )
    return _saved(folder, LlavaOnevisionForConditionalGeneration, config, words)


MULTIMODAL: dict[str, Callable[[Path], Path]] = {
    "idefics3": idefics3,
    "internvl": internvl,
    "llava_onevision": llava_onevision,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen2_vl": qwen2_vl,
}


def _text(words) -> dict[str, object]:
    ids = {"pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id}
    return TEXT | ids | {"vocab_size": len(words), "bos_token_id": None}


def _rope() -> dict[str, object]:
    return {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}


def _places(words, start: str, end: str, image: str, video: str) -> dict[str, int]:
    return {
        "vision_start_token_id": words.convert_tokens_to_ids(start),
        "vision_end_token_id": words.convert_tokens_to_ids(end),
        "image_token_id": words.convert_tokens_to_ids(image),
        "video_token_id": words.convert_tokens_to_ids(video),
    }


def _idefics(words) -> dict[str, object]:
    return {
        "text_config": {"model_type": "llama", **_text(words)},
        "vision_config": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
            "initializer_range": 0.4,
        },
        "scale_factor": 2,
        "image_token_id": words.convert_tokens_to_ids("<image>"),
        "pad_token_id": words.pad_token_id,
    }


def _idefics_pictures(folder: Path, family: str):
    rows = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    marks = ("<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>", *rows)
    _write(
        folder / "preprocessor_config.json",
        image_processor_type=f"{family}ImageProcessor",
        size={"longest_edge": 64},
        max_image_size={"longest_edge": 32},
        do_image_splitting=True,
    )
    _write(folder / "processor_config.json", processor_class=f"{family}Processor", image_seq_len=4)
    return tokenizer(*marks, template=TURNS.replace("IMAGE", "<image>"))


def _qwen_pictures(folder: Path, processor: str, patches: int = 9) -> None:
    _write(
        folder / "preprocessor_config.json",
        image_processor_type="Qwen2VLImageProcessor",
        processor_class=processor,
        min_pixels=28 * 28,
        max_pixels=28 * 28 * patches,
        patch_size=14,
        temporal_patch_size=2,
        merge_size=2,
    )


def _write(file: Path, **values: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values), "utf-8")


def _saved(folder: Path, kind, config, processor) -> Path:
    import torch

    torch.manual_seed(7)
    model = kind(config).eval()
    with torch.no_grad():  # it never ends by itself while others are likelier
        model.get_output_embeddings().weight[config.get_text_config().eos_token_id] = 0.0
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
