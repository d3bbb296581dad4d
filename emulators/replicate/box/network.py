"""A very small image model with LoRA adapters, forward and backward, in numpy.

A picture is sixteen patches of 8×8 pixels. The network sees a patch sequence with noise mixed in and predicts the
direction from picture to noise (flow matching). Its own weights are frozen and know nothing of pictures; only the
adapters learn, and what they can learn is low-rank by nature: the few directions in which natural patches vary.

    h ── + attention(h) + ff(h) ──>  twice; every linear map is  W x + (alpha / rank) · B (A x)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

PATCH = 8
WIDTH = PATCH * PATCH * 3
_BLOCKS = 2
_MAPS = ("attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "ff.net.0")
_FROZEN_SEED = 20_260_301


@dataclass(frozen=True, slots=True)
class _Trace:
    """What the backward pass needs of one block's forward pass."""

    seen: Array
    q: Array
    k: Array
    v: Array
    weights: Array
    mixed: Array


class Network:
    """``adapters`` maps the names that a ``.safetensors`` file has to the trainable arrays."""

    def __init__(self, rank: int, alpha: float, tokens: int, seed: int) -> None:
        frozen = np.random.default_rng(_FROZEN_SEED)
        fresh = np.random.default_rng(seed)
        self._scale = np.float32(alpha / rank)
        self._places = _normal(frozen, 0.1, tokens, WIDTH)
        self._times = _normal(frozen, 0.1, 2, WIDTH)
        self._words = _normal(frozen, 0.1, 64, WIDTH)
        self._frozen: dict[str, Array] = {}
        self.adapters: dict[str, Array] = {}
        for block in range(_BLOCKS):
            for name in _MAPS:
                path = f"transformer.blocks.{block}.{name}"
                sharp = 1.0 if name in ("attn.to_q", "attn.to_k") else 0.2
                self._frozen[path] = _normal(frozen, sharp / WIDTH**0.5, WIDTH, WIDTH)
                self.adapters[f"{path}.lora_A.weight"] = _normal(fresh, 1 / WIDTH**0.5, rank, WIDTH)
                self.adapters[f"{path}.lora_B.weight"] = np.zeros((WIDTH, rank), np.float32)

    def embed(self, caption: str) -> Array:
        """A caption as one vector: its words, hashed into a few buckets."""
        vector = np.zeros(len(self._words), np.float32)
        for word in caption.lower().split():
            vector[hashlib.sha256(word.encode()).digest()[0] % len(vector)] += 1
        length = float(np.linalg.norm(vector))
        return np.asarray(vector @ self._words / max(length, 1.0), np.float32)

    def predict(self, noisy: Array, times: Array, captions: Array) -> Array:
        return self._forward(noisy, times, captions)[0]

    def learn(self, noisy: Array, times: Array, captions: Array, target: Array) -> tuple[float, dict[str, Array]]:
        """The loss, and its gradient for every adapter."""
        predicted, traces = self._forward(noisy, times, captions)
        error = predicted - target
        gradients: dict[str, Array] = {}
        above = np.asarray(2 * error / error.size, np.float32)
        for block in reversed(range(_BLOCKS)):
            above = self._block_backward(block, above, traces[block], gradients)
        return float(np.mean(error**2)), gradients

    def _forward(self, noisy: Array, times: Array, captions: Array) -> tuple[Array, list[_Trace]]:
        t = times[:, None, None]
        h = noisy + self._places + t * self._times[0] + (1 - t) * self._times[1] + captions[:, None, :]
        traces = []
        for block in range(_BLOCKS):
            q, k, v = (self._map(block, name, h) for name in _MAPS[:3])
            weights = _softmax(q @ k.transpose(0, 2, 1) / np.float32(WIDTH**0.5))
            mixed = weights @ v
            traces.append(_Trace(h, q, k, v, weights, mixed))
            h = h + self._map(block, "attn.to_out.0", mixed) + self._map(block, "ff.net.0", h)
        return h, traces

    def _block_backward(self, block: int, above: Array, trace: _Trace, gradients: dict[str, Array]) -> Array:
        below = above + self._map_backward(block, "ff.net.0", trace.seen, above, gradients)
        mixed = self._map_backward(block, "attn.to_out.0", trace.mixed, above, gradients)
        v = trace.weights.transpose(0, 2, 1) @ mixed
        weights = mixed @ trace.v.transpose(0, 2, 1)
        scores = trace.weights * (weights - np.sum(weights * trace.weights, axis=-1, keepdims=True))
        scores = scores / np.float32(WIDTH**0.5)
        below = below + self._map_backward(block, "attn.to_v", trace.seen, v, gradients)
        below = below + self._map_backward(block, "attn.to_q", trace.seen, scores @ trace.k, gradients)
        k = scores.transpose(0, 2, 1) @ trace.q
        return below + self._map_backward(block, "attn.to_k", trace.seen, k, gradients)

    def _map(self, block: int, name: str, x: Array) -> Array:
        path = f"transformer.blocks.{block}.{name}"
        a, b = self.adapters[f"{path}.lora_A.weight"], self.adapters[f"{path}.lora_B.weight"]
        return np.asarray(x @ self._frozen[path].T + self._scale * ((x @ a.T) @ b.T), np.float32)

    def _map_backward(self, block: int, name: str, x: Array, above: Array, gradients: dict[str, Array]) -> Array:
        path = f"transformer.blocks.{block}.{name}"
        a, b = self.adapters[f"{path}.lora_A.weight"], self.adapters[f"{path}.lora_B.weight"]
        flat_x, flat_above = x.reshape(-1, WIDTH), above.reshape(-1, WIDTH)
        through_b = flat_above @ b
        gradients[f"{path}.lora_A.weight"] = np.asarray(self._scale * (through_b.T @ flat_x), np.float32)
        gradients[f"{path}.lora_B.weight"] = np.asarray(self._scale * (flat_above.T @ (flat_x @ a.T)), np.float32)
        return np.asarray(above @ self._frozen[path] + self._scale * ((above @ b) @ a), np.float32)


class Adam:
    """Adam with its two moments and a step count, and gradients clipped to norm one."""

    def __init__(self, parameters: dict[str, Array]) -> None:
        self.steps = 0
        self.moments = {
            f"{name}.exp_avg{suffix}": np.zeros_like(array)
            for name, array in parameters.items()
            for suffix in ("", "_sq")
        }

    def step(self, parameters: dict[str, Array], gradients: dict[str, Array], rate: float) -> None:
        self.steps += 1
        norm = float(np.sqrt(sum(float(np.sum(gradient**2)) for gradient in gradients.values())))
        clip = min(1.0, 1.0 / max(norm, 1e-12))
        first_bias, second_bias = 1 - 0.9**self.steps, 1 - 0.99**self.steps
        for name, gradient in gradients.items():
            first, second = self.moments[f"{name}.exp_avg"], self.moments[f"{name}.exp_avg_sq"]
            clipped = gradient * np.float32(clip)
            first += np.float32(0.1) * (clipped - first)
            second += np.float32(0.01) * (clipped**2 - second)
            change = (first / first_bias) / (np.sqrt(second / second_bias) + 1e-8)
            parameters[name] -= (np.float32(rate) * change).astype(np.float32)


def patches(pictures: Array) -> Array:
    """(n, side, side, 3) to (n, tokens, WIDTH)."""
    n, side = pictures.shape[0], pictures.shape[1]
    grid = pictures.reshape(n, side // PATCH, PATCH, side // PATCH, PATCH, 3).transpose(0, 1, 3, 2, 4, 5)
    return grid.reshape(n, -1, WIDTH)


def pictures_of(tokens: Array, side: int) -> Array:
    n, rows = tokens.shape[0], side // PATCH
    grid = tokens.reshape(n, rows, rows, PATCH, PATCH, 3).transpose(0, 1, 3, 2, 4, 5)
    return grid.reshape(n, side, side, 3)


def _softmax(scores: Array) -> Array:
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), np.float32)


def _normal(rng: np.random.Generator, scale: float, *shape: int) -> Array:
    return np.asarray(rng.standard_normal(shape) * scale, np.float32)
