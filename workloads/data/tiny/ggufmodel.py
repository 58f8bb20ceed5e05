"""A second, independent reading of a llama-architecture GGUF file: numpy, float32, nothing shared with model.py.

It rotates neighbouring channels, as the file is laid out, and turns keys to the half-split layout at the end.
"""
import gguf
import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers


class GGUFModel:
    def __init__(self, path):
        self.reader = gguf.GGUFReader(path)
        self.t = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32)
                  for t in self.reader.tensors}
        self.layers, self.heads = self.field("block_count"), self.field("attention.head_count")
        self.kv_heads, self.dim = self.field("attention.head_count_kv"), self.field("rope.dimension_count")
        self.base, self.eps = self.field("rope.freq_base"), self.field("attention.layer_norm_rms_epsilon")
        self.out = self.t.get("output.weight", self.t["token_embd.weight"])

    def field(self, name):
        return self.reader.fields["llama." + name].contents()

    def tokenizer(self) -> Tokenizer:
        f = self.reader.fields
        assert f["tokenizer.ggml.pre"].contents() == "smollm"
        tokens, types = f["tokenizer.ggml.tokens"].contents(), f["tokenizer.ggml.token_type"].contents()
        merges = [tuple(m.split(" ")) for m in f["tokenizer.ggml.merges"].contents()]
        tok = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
        tok.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
        tok.decoder = decoders.ByteLevel()
        tok.add_special_tokens([t for t, k in zip(tokens, types) if k == gguf.TokenType.CONTROL])
        return tok

    def norm(self, x, name):
        return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + np.float32(self.eps)) * self.t[name + ".weight"]

    def heads_of(self, x, matrix):
        y = x @ self.t[matrix + ".weight"].T
        return y.reshape(len(x), -1, self.dim).transpose(1, 0, 2)

    def rotate(self, x):
        angle = np.outer(np.arange(x.shape[1]), self.base ** (-np.arange(0, self.dim, 2) / self.dim))
        cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        a, b = x[..., 0::2], x[..., 1::2]
        return np.stack((a * cos - b * sin, b * cos + a * sin), -1).reshape(x.shape)

    def forward(self, ids):
        """Logits [tokens, vocab] and per layer {k_before_rope, k, v}, each [kv_heads, tokens, head_dim], half-split."""
        x, caches = self.t["token_embd.weight"][ids], []
        mask = np.triu(np.full((len(ids), len(ids)), -np.inf, np.float32), 1)
        split = lambda k: np.concatenate((k[..., 0::2], k[..., 1::2]), -1)
        for layer in range(self.layers):
            p = f"blk.{layer}."
            h = self.norm(x, p + "attn_norm")
            q, k0, v = (self.heads_of(h, p + n) for n in ("attn_q", "attn_k", "attn_v"))
            q, k = self.rotate(q), self.rotate(k0)
            caches.append({"k_before_rope": split(k0), "k": split(k), "v": v})
            repeat = self.heads // self.kv_heads
            s = q @ np.repeat(k, repeat, 0).transpose(0, 2, 1) / np.float32(self.dim**0.5) + mask
            s = np.exp(s - s.max(-1, keepdims=True))
            o = s / s.sum(-1, keepdims=True) @ np.repeat(v, repeat, 0)
            x = x + o.transpose(1, 0, 2).reshape(len(ids), -1) @ self.t[p + "attn_output.weight"].T
            h = self.norm(x, p + "ffn_norm")
            g, u = h @ self.t[p + "ffn_gate.weight"].T, h @ self.t[p + "ffn_up.weight"].T
            x = x + (g / (1 + np.exp(-g)) * u) @ self.t[p + "ffn_down.weight"].T
        return self.norm(x, "output_norm") @ self.out.T, caches
