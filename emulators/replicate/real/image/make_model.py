"""``make_model.py FOLDER``: a whole SDXL pipeline in diffusers' layout, so small that a processor trains it.

Its weights are random, from a fixed seed; nothing is downloaded. The trainer takes it for the real thing.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

_START, _END = "<|startoftext|>", "<|endoftext|>"
_LONGEST_PROMPT = 77
_TEXT_WIDTH = 32


def main() -> None:
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    words = _words()
    text = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=_TEXT_WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=_TEXT_WIDTH,
        max_position_embeddings=_LONGEST_PROMPT,
        bos_token_id=words.index(_START),
        eos_token_id=words.index(_END),
        pad_token_id=words.index(_END),
    )
    StableDiffusionXLPipeline(
        vae=_autoencoder(),
        text_encoder=CLIPTextModel(text),
        text_encoder_2=CLIPTextModelWithProjection(text),
        tokenizer=_tokenizer(words),
        tokenizer_2=_tokenizer(words),
        unet=_unet(),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="leading",
            steps_offset=1,
        ),
    ).save_pretrained(folder)


def _words() -> list[str]:
    """CLIP's alphabet of bytes, each once within and once at the end of a word, and not one merge: a token a byte."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    # Bytes that cannot be printed get the characters after the first 256.
    letters = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    return [*letters, *(f"{letter}</w>" for letter in letters), _START, _END]


def _tokenizer(words: list[str]) -> CLIPTokenizer:
    with tempfile.TemporaryDirectory() as temporary:
        vocabulary, merges = Path(temporary, "vocab.json"), Path(temporary, "merges.txt")
        vocabulary.write_text(json.dumps({word: number for number, word in enumerate(words)}), "utf-8")
        merges.write_text("#version: 0.2\n", "utf-8")
        return CLIPTokenizer(
            vocab=str(vocabulary),
            merges=str(merges),
            model_max_length=_LONGEST_PROMPT,
            bos_token=_START,
            eos_token=_END,
            unk_token=_END,
            pad_token=_END,
        )


def _autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        sample_size=64,
        norm_num_groups=8,
        layers_per_block=1,
        # Four levels, for the trainer takes it that a latent has an eighth of the picture's side.
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        scaling_factor=0.13025,
    )


def _unet() -> UNet2DConditionModel:
    time_width = 8
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=4,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=2 * _TEXT_WIDTH,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=time_width,
        # The six numbers that SDXL is told about a picture's size, and the pooled text.
        projection_class_embeddings_input_dim=6 * time_width + _TEXT_WIDTH,
    )


if __name__ == "__main__":
    main()
