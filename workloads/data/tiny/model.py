"""The tiny model: a llama-architecture transformer in PyTorch, and its GGUF file."""
import dataclasses
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


@dataclasses.dataclass
class Shape:
    vocab: int = 2048
    layers: int = 4
    width: int = 256
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    ffn: int = 704
    context: int = 1024
    rope_base: float = 10000.0
    eps: float = 1e-5


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def rope_table(shape: Shape, tokens: int):
    """cos and sin, [tokens, head_dim/2]; position p, pair i turns by p·base^(−2i/head_dim)."""
    freq = shape.rope_base ** (-torch.arange(0, shape.head_dim, 2, dtype=torch.float64) / shape.head_dim)
    angle = torch.arange(tokens, dtype=torch.float64)[:, None] * freq
    return angle.cos().float(), angle.sin().float()


def rotate(x, cos, sin):
    """RoPE on [..., tokens, head_dim] in the half-split pairing: channel i with i + head_dim/2."""
    a, b = x.float().chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).type_as(x)


def blocked_attention(q, k, v, blocks: int = 4):
    """Causal attention in `blocks` strips of queries, each over the keys up to its end; for torch.compile.

    Twice as fast on a CPU at 512 tokens, forward and backward, as scaled_dot_product_attention of torch 2.4.
    """
    (b, h, t, d), g = q.shape, k.shape[1]
    strip, out = t // blocks, []
    for i in range(blocks):
        end = (i + 1) * strip
        qs = q[:, :, i * strip : end].reshape(b * g, h // g * strip, d)
        ks, vs = (y[:, :, :end].reshape(b * g, end, d) for y in (k, v))
        s = torch.bmm(qs, ks.transpose(1, 2)).view(b * g, h // g, strip, end).float() * d**-0.5
        future = torch.arange(end)[None, :] > torch.arange(i * strip, end)[:, None]
        p = s.masked_fill(future, float("-inf")).softmax(-1).to(q.dtype)
        out.append(torch.bmm(p.view(b * g, -1, end), vs).view(b, h, strip, d))
    return torch.cat(out, 2)


class Block(nn.Module):
    def __init__(self, s: Shape):
        super().__init__()
        self.s = s
        self.attn_norm, self.ffn_norm = RMSNorm(s.width, s.eps), RMSNorm(s.width, s.eps)
        def matrix(rows, cols):
            return nn.Parameter(torch.randn(rows, cols) * cols**-0.5)
        self.attn_q = matrix(s.heads * s.head_dim, s.width)
        self.attn_k = matrix(s.kv_heads * s.head_dim, s.width)
        self.attn_v = matrix(s.kv_heads * s.head_dim, s.width)
        self.attn_output = nn.Parameter(torch.zeros(s.width, s.heads * s.head_dim))
        self.ffn_gate, self.ffn_up = matrix(s.ffn, s.width), matrix(s.ffn, s.width)
        self.ffn_down = nn.Parameter(torch.zeros(s.width, s.ffn))

    def forward(self, x, cos, sin, cache=None):
        s = self.s
        b, t, _ = x.shape
        h = F.linear(self.attn_norm(x), torch.cat((self.attn_q, self.attn_k, self.attn_v)))
        q, k, v = h.view(b, t, -1, s.head_dim).transpose(1, 2).split((s.heads, s.kv_heads, s.kv_heads), 1)
        if cache is not None:
            cache["k_before_rope"] = k
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            cache["k"], cache["v"] = k, v
        if self.training:
            y = blocked_attention(q, k, v)
        else:
            k, v = (y.repeat_interleave(s.heads // s.kv_heads, 1) for y in (k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + F.linear(y.transpose(1, 2).reshape(b, t, -1), self.attn_output)
        gate, up = F.linear(self.ffn_norm(x), torch.cat((self.ffn_gate, self.ffn_up))).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, self.ffn_down)


class Llama(nn.Module):
    def __init__(self, s: Shape):
        super().__init__()
        self.shape = s
        self.token_embd = nn.Parameter(torch.randn(s.vocab, s.width) * 0.5)
        self.blk = nn.ModuleList(Block(s) for _ in range(s.layers))
        self.output_norm = RMSNorm(s.width, s.eps)
        self.output = nn.Parameter(torch.zeros(s.vocab, s.width))
        cos, sin = rope_table(s, s.context)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, ids, caches=None):
        """Logits, float32 [batch, tokens, vocab]; caches, where given, receives one dict a layer."""
        x = F.embedding(ids, self.token_embd)
        cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        for block in self.blk:
            cache = None if caches is None else {}
            x = block(x, cos, sin, cache)
            if caches is not None:
                caches.append(cache)
        return F.linear(self.output_norm(x), self.output).float()


def round_to_f16(model: Llama):
    """Rounds the matrices as the GGUF file does; norms stay float32."""
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim == 2:
                p.copy_(p.half().float())


def interleave(w: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a query or key matrix from half-split to GGUF's pairing of neighbours (2i, 2i+1)."""
    rows, cols = w.shape
    return w.reshape(heads, 2, rows // heads // 2, cols).swapaxes(1, 2).reshape(rows, cols)


def write_gguf(model: Llama, tokenizer: dict, path: pathlib.Path, description: str):
    """Writes what llama.cpp's converter would: F16 matrices, F32 norms, `llama` keys, GPT-2 style BPE."""
    import gguf

    s, w = model.shape, gguf.GGUFWriter(path, "llama")
    w.add_type("model")
    w.add_name("kvgauge tiny")
    w.add_author("The kvgauge authors")
    w.add_description(description)
    w.add_license("apache-2.0")
    w.add_languages(["en"])
    w.add_context_length(s.context)
    w.add_embedding_length(s.width)
    w.add_block_count(s.layers)
    w.add_feed_forward_length(s.ffn)
    w.add_head_count(s.heads)
    w.add_head_count_kv(s.kv_heads)
    w.add_key_length(s.head_dim)
    w.add_value_length(s.head_dim)
    w.add_layer_norm_rms_eps(s.eps)
    w.add_rope_dimension_count(s.head_dim)
    w.add_rope_freq_base(s.rope_base)
    w.add_vocab_size(s.vocab)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_quantization_version(gguf.GGML_QUANT_VERSION)
    bpe = tokenizer["model"]
    tokens = sorted(bpe["vocab"], key=bpe["vocab"].get)
    assert len(tokens) == s.vocab
    special = {t["content"] for t in tokenizer["added_tokens"]}
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("smollm")
    w.add_token_list(tokens)
    w.add_token_types([gguf.TokenType.CONTROL if t in special else gguf.TokenType.NORMAL for t in tokens])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in bpe["merges"]])
    w.add_bos_token_id(0)
    w.add_eos_token_id(0)
    w.add_add_bos_token(False)
    for name, p in model.named_parameters():
        a = p.detach().float().numpy()
        if a.ndim == 2:
            if "attn_q" in name or "attn_k" in name:
                a = interleave(a, s.heads if "attn_q" in name else s.kv_heads)
            a = a.astype(np.float16)
        name = name if name.endswith(".weight") else name + ".weight"
        w.add_tensor(name, np.ascontiguousarray(a))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def read_gguf(path: pathlib.Path) -> Llama:
    """The model of a file that write_gguf wrote, in evaluation mode."""
    import gguf

    reader = gguf.GGUFReader(path)
    field = lambda name: reader.fields["llama." + name].contents()
    s = Shape(
        vocab=field("vocab_size"), layers=field("block_count"), width=field("embedding_length"),
        heads=field("attention.head_count"), kv_heads=field("attention.head_count_kv"),
        head_dim=field("rope.dimension_count"), ffn=field("feed_forward_length"), context=field("context_length"),
        rope_base=field("rope.freq_base"), eps=field("attention.layer_norm_rms_epsilon"))
    model, tensors = Llama(s), {t.name: t.data for t in reader.tensors}
    with torch.no_grad():
        for name, p in model.named_parameters():
            a = torch.from_numpy(tensors[name if name.endswith(".weight") else name + ".weight"].astype(np.float32))
            if "attn_q" in name or "attn_k" in name:
                a = a.reshape(-1, s.head_dim // 2, 2, s.width).transpose(1, 2).reshape(a.shape)
            p.copy_(a)
    return model.eval()
