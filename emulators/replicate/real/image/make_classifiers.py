"""``make_classifiers.py FOLDER``: three picture classifiers that find every picture normal.

The runner makes the trainer ask three of them about each picture of the dataset, and the stock image brings them along.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

_NAMES = ("hf_falconsai", "hf_adamcodd", "hf_hoangtrung")
_LABELS = ("normal", "nsfw")
_SIDE = 32


def main() -> None:
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=_SIDE,
        patch_size=8,
        id2label=dict(enumerate(_LABELS)),
        label2id={label: number for number, label in enumerate(_LABELS)},
    )
    model = ViTForImageClassification(config)
    with torch.no_grad():
        # Whatever it sees, only the bias speaks.
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([5.0, -5.0]))
    for name in _NAMES:
        folder = Path(sys.argv[1], name)
        model.save_pretrained(folder)
        ViTImageProcessor(size={"height": _SIDE, "width": _SIDE}).save_pretrained(folder)


if __name__ == "__main__":
    main()
