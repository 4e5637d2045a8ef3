"""Loads a Transformers model from the hub or a folder, with all that it needs to be asked."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cogagent.config import Settings, TransformersSettings
from cogagent.errors import MissingPackageError, ModelLoadError
from cogagent.models.hub import load

_EXTRA = "'cogagent[models]'"


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to be asked.

    Attributes:
        model: The decoder, in evaluation mode, where it shall compute.
        processor: Makes inputs of messages; the tokenizer itself for a text-only model.
        tokenizer: The tokenizer.
        config: The model's configuration.
        pictures: It sees pictures.
        ends: Tokens that end a text.
    """

    model: Any
    processor: Any
    tokenizer: Any
    config: Any
    pictures: bool
    ends: frozenset[int]

    @property
    def context(self) -> int | None:
        """Tokens that the model can attend to; ``None`` if its configuration does not say."""
        return getattr(self.config.get_text_config(), "max_position_embeddings", None)

    @property
    def pad(self) -> int:
        """A token to fill rows with; it is never attended to."""
        return int(self.tokenizer.pad_token_id or 0)


def load_all(name: str, settings: Settings) -> Loaded:
    """Load a model by its name on the hub, or its folder.

    The configuration decides what it is: a multimodal model if Transformers has
    one of that type for pictures and text, else a text-only one.

    Raises:
        MissingPackageError: If a package that it needs is not installed.
        OfflineError: If it would have to be fetched and ``offline`` is on.
        ModelLoadError: If it is not found, not whole, or not of a kind that can be asked.
    """
    chosen = settings.transformers
    if not Path(name).is_dir() and (Path(name).is_absolute() or name.startswith((".", "~"))):
        raise ModelLoadError(
            f"there is no folder {name!r}.",
            remedy="Write transformers:FOLDER, or transformers:OWNER/MODEL for one of the hub.",
        )
    placing = _placing(chosen, chosen.threads or settings.models.threads)

    def read_config(local_only: bool) -> Any:
        from transformers import AutoConfig

        # Never a model's own code: it would run with all our rights.
        return AutoConfig.from_pretrained(
            name, local_files_only=local_only, trust_remote_code=False
        )

    config = load(name, settings, _EXTRA, read_config)
    pictures = _sees(name, config)
    processor = _processor(name, settings, config, pictures=pictures)
    tokenizer = processor.tokenizer if pictures else processor
    if not (getattr(processor, "chat_template", None) or tokenizer.chat_template):
        raise ModelLoadError(
            f"the model {name!r} has no chat template: it was not made to be asked.",
            remedy="Name an instruction-tuned model (often -Instruct, -it or -chat).",
        )

    def read_model(local_only: bool) -> tuple[Any, dict[str, Any]]:
        from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

        kind = AutoModelForImageTextToText if pictures else AutoModelForCausalLM
        model, report = kind.from_pretrained(
            name,
            config=config,
            local_files_only=local_only,
            trust_remote_code=False,
            output_loading_info=True,
            dtype=_dtype(chosen, config, placing),
            **_quantization(chosen),
            **({"device_map": placing} if placing == "auto" or _quantized(chosen) else {}),
        )
        if placing != "auto" and not _quantized(chosen):
            model = model.to(placing)
        return model.eval(), report

    model, report = load(name, settings, _EXTRA, read_model)
    if report["missing_keys"]:  # Transformers would go on with random numbers
        some = sorted(report["missing_keys"])
        raise ModelLoadError(
            f"the model {name!r} lacks {len(some)} of its weights, {some[0]} for one.",
            remedy="Fetch it again, whole.",
        )
    return Loaded(model, processor, tokenizer, config, pictures, _ends(model, tokenizer))


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end a text; the rest of what a checkpoint says of writing is dropped.

    Its temperature, beams and penalties would be taken for ours where we name none.
    """
    from transformers import GenerationConfig

    named = model.generation_config.eos_token_id
    several = named if isinstance(named, list) else [named]
    model.generation_config = GenerationConfig()
    return frozenset(
        int(token) for token in (*several, tokenizer.eos_token_id) if token is not None
    )


def _sees(name: str, config: Any) -> bool:
    """Whether a model of that configuration sees pictures.

    Raises:
        ModelLoadError: If it is no model that can be asked.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    if not config.is_encoder_decoder:
        if type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
            return True
        if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
            return False
    raise ModelLoadError(
        f"the model {name!r} is of the type {config.model_type!r}, which writes no answers.",
        remedy="Name a decoder for chat, text-only or with pictures.",
    )


def _processor(name: str, settings: Settings, config: Any, *, pictures: bool) -> Any:
    """What makes inputs of messages.

    Raises:
        MissingPackageError: If a package that it needs is not installed.
        ModelLoadError: If the model comes without one.
    """

    def read(local_only: bool) -> Any:
        from transformers import AutoProcessor, AutoTokenizer

        where = {"local_files_only": local_only, "trust_remote_code": False}
        if not pictures:
            return AutoTokenizer.from_pretrained(name, **where)
        if find_spec("torchvision") is None:
            return _without_videos(name, config, where)
        return AutoProcessor.from_pretrained(name, **where)

    try:
        processor = load(name, settings, _EXTRA, read)
    except MissingPackageError as error:
        if getattr(error.__cause__, "name", None):
            raise
        reason = " ".join(str(error.__cause__).split())
        raise MissingPackageError(
            f"the processor of the model {name!r} does not load: {reason}",
            remedy="Install the package that it names.",
        ) from error
    if pictures and getattr(processor, "image_processor", None) is None:
        raise ModelLoadError(
            f"the model {name!r} comes without a processor for pictures.",
            remedy="Fetch it again, with processor_config.json or preprocessor_config.json.",
        )
    return processor


def _without_videos(name: str, config: Any, where: dict[str, Any]) -> Any:
    """The model's processor less its part for videos, which needs torchvision.

    Nothing here shows a model a video, and pictures can be prepared by Pillow.
    """
    from transformers import PROCESSOR_MAPPING, AutoImageProcessor, AutoProcessor, AutoTokenizer

    if type(config) not in PROCESSOR_MAPPING:
        return AutoProcessor.from_pretrained(name, **where)
    kind = PROCESSOR_MAPPING[type(config)]
    parts = kind.get_attributes()
    if "video_processor" not in parts:
        return kind.from_pretrained(name, **where)
    others = {"image_processor": AutoImageProcessor, "tokenizer": AutoTokenizer}
    if set(parts) - {"video_processor", *others}:
        return kind.from_pretrained(name, **where)

    class Stills(kind):  # type: ignore[misc, valid-type]  # chosen by the configuration
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument_name == "video_processor":
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    Stills.__name__ = kind.__name__  # some ask a processor for its name
    described, rest = kind.get_processor_dict(name, **where)
    made = [
        others[part].from_pretrained(name, **where) if part in others else None for part in parts
    ]
    rest = {key: value for key, value in rest.items() if key not in where}
    return Stills.from_args_and_dict(made, described, **rest)


def _placing(chosen: TransformersSettings, threads: int) -> str:
    """Where the model computes: a device, or ``auto`` for several.

    Raises:
        MissingPackageError: If torch, or what makes models smaller, is not installed.
        ModelLoadError: If there is no such device.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingPackageError(
            "language models through Transformers need the package torch, which is not installed.",
            remedy=f"Run `pip install {_EXTRA}`.",
        ) from error

    if threads:
        torch.set_num_threads(threads)
    card = torch.cuda.is_available()
    if chosen.device_map == "cuda" and not card:
        raise ModelLoadError(
            "transformers.device_map is cuda, and this machine has no such device.",
            remedy="Set it to auto or cpu, or install a build of torch for CUDA.",
        )
    if _quantized(chosen):
        for package in ("bitsandbytes", "accelerate"):
            if find_spec(package) is None:
                raise MissingPackageError(
                    f"transformers.quantize needs the package {package}, which is not installed.",
                    remedy="Run `pip install bitsandbytes accelerate`, or set it to none.",
                )
    if chosen.device_map == "auto" and card:
        # Accelerate spreads a model over the cards, and what they cannot hold over the memory.
        return "auto" if find_spec("accelerate") is not None else "cuda"
    return "cpu" if chosen.device_map == "auto" else chosen.device_map


def _dtype(chosen: TransformersSettings, config: Any, placing: str) -> str:
    if chosen.dtype == "auto" and placing == "cpu" and str(config.dtype).endswith("float16"):
        # Processors have no arithmetic of that kind; bfloat16 they have, or imitate well.
        return "auto" if str(config.dtype).endswith("bfloat16") else "float32"
    return chosen.dtype


def _quantized(chosen: TransformersSettings) -> bool:
    return chosen.quantize != "none"


def _quantization(chosen: TransformersSettings) -> dict[str, Any]:
    import torch
    from transformers import BitsAndBytesConfig

    if chosen.quantize == "none":
        return {}
    if chosen.quantize == "8bit":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)}
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    }
