"""Measures tiny.gguf: bits per byte of the test text, a sample of its writing, and reference.json.

    python3 evaluate.py --work DIR [--model tiny.gguf] [--reference reference.json]

A test document is END and its tokens; every token after END is scored. The model sees windows of 1024
tokens that move by 512; of each window but a document's first, the second half is scored, so that a
scored token has 512 to 1023 tokens before it in its window, fewer only at a document's beginning.
"""
import argparse
import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

from ggufmodel import GGUFModel
from model import read_gguf

PASSAGE = """The lighthouse keeper counted the ships twice, once at dusk and once before he slept. "Forty-one," \
he said to the dog, "and one of them is late."

He wrote it down in the book, as he had for 27 years: the hour, the wind, the number of lamps he had cleaned. \
In the morning the late ship lay off the harbour with her sails down, and nobody on the deck could say where the \
night had gone.

func count(ships []Ship) (n int, err error) {
	for _, s := range ships {
		if s.Arrived.IsZero() {
			continue
		}
		n++
	}
	return n, nil
}
"""
STRINGS = (
    "", " ", "Hello, world!", "The quick brown fox jumps over the lazy dog.", "  two  spaces\tand\ttabs \n\n\nend",
    "1234567890 3.14159 0x1F", "naïve café, “quoted” — dash…", "日本語 и русский", "🙂👍🏽", "don't can't we'll I'm",
    "if err != nil {\n\t\treturn err\n\t}\n", "a\r\nb\u00a0c\u2003d", "<|endoftext|>",
)


@torch.no_grad()
def document_bits(model, ids: np.ndarray, window: int = 1024, stride: int = 512) -> float:
    """Bits of all tokens of a document after the first."""
    ids, total = torch.from_numpy(ids.astype(np.int64)), 0.0
    starts = [0] + list(range(stride, max(len(ids) - 1 - stride, 0), stride))
    for start in starts:
        part = ids[start : start + window + 1]
        nll = F.cross_entropy(model(part[None, :-1])[0], part[1:], reduction="none")
        total += nll[0 if start == 0 else stride :].double().sum().item()
    return total / math.log(2)


def bits_per_byte(model, work: pathlib.Path) -> dict:
    info, out = json.loads((work / "data" / "data.json").read_text()), {}
    for part in ("test_books", "test_code"):
        documents = list(np.load(work / "data" / f"{part}.npz").values())
        bits, tokens = sum(document_bits(model, d) for d in documents), sum(len(d) - 1 for d in documents)
        out[part] = {"bits_per_byte": bits / info[part]["bytes"], "nats_per_token": bits * math.log(2) / tokens,
                     "tokens": tokens}
    return out


@torch.no_grad()
def continue_text(model, tok, prompt: str, tokens: int = 120, temperature: float = 0.7, seed: int = 1) -> str:
    g, ids = torch.Generator().manual_seed(seed), [0] + tok.encode(prompt).ids
    for _ in range(tokens):
        p = F.softmax(model(torch.tensor([ids]))[0, -1] / temperature, -1)
        ids.append(torch.multinomial(p, 1, generator=g).item())
    return tok.decode(ids)


@torch.no_grad()
def reference(model, tok) -> dict:
    ids, caches = tok.encode(PASSAGE).ids, []
    logits = model(torch.tensor([ids]), caches)[0]
    logp = F.log_softmax(logits.double(), -1)
    nll = -logp[:-1].gather(1, torch.tensor(ids[1:])[:, None]).mean().item()
    top, last = [], len(ids) - 1
    for at in (0, 1, 17, last // 2, last):
        v, i = logp[at].topk(5)
        top.append({"position": at, "ids": i.tolist(), "logprobs": v.tolist()})
    samples = []
    for layer in range(model.shape.layers):
        for head in range(model.shape.kv_heads):
            for t in (0, 17, last):
                k, v = caches[layer]["k"][0, head, t], caches[layer]["v"][0, head, t]
                channels = (0, 1, 31, 32, 63)
                samples.append({"layer": layer, "kv_head": head, "token": t, "channels": channels,
                                "k": [k[c].item() for c in channels], "v": [v[c].item() for c in channels],
                                "k_norm": k.norm().item(), "v_norm": v.norm().item()})
    greedy = tok.encode("The old man looked at the").ids
    for _ in range(24):
        greedy.append(model(torch.tensor([greedy]))[0, -1].argmax().item())
    return {
        "made": "by evaluate.py: PyTorch, float32 on a CPU, over the F16 weights of tiny.gguf; no BOS. logprobs[i] of "
                "position p are for token p+1. Keys are after RoPE, half-split; positions count from 0. Token ids of "
                "`strings` are without special-token parsing but for those marked so.",
        "strings": [{"text": s, "ids": tok.encode(s).ids, "special": s == "<|endoftext|>"} for s in STRINGS],
        "passage": {"text": PASSAGE, "ids": ids, "mean_nll_nats": nll, "perplexity": math.exp(nll), "top5": top},
        "cache": samples,
        "greedy": {"prompt": "The old man looked at the", "ids": greedy, "text": tok.decode(greedy)},
    }


def lines(value, depth: int = 0) -> str:
    """JSON with one line for each member of the two outer levels."""
    if depth == 2 or not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, ensure_ascii=False)
    pad = " " * (depth + 1)
    if isinstance(value, dict):
        body = [f"{pad}{json.dumps(k)}: {lines(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(body) + "\n" + pad[1:] + "}"
    return "[\n" + ",\n".join(pad + lines(v, depth + 1) for v in value) + "\n" + pad[1:] + "]"


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = pathlib.Path(__file__).parent
    ap.add_argument("--work", type=pathlib.Path, required=True)
    ap.add_argument("--model", type=pathlib.Path, default=here / "tiny.gguf")
    ap.add_argument("--reference", type=pathlib.Path)
    args = ap.parse_args()
    model, second = read_gguf(args.model), GGUFModel(args.model)
    tok = second.tokenizer()
    ids = tok.encode(PASSAGE).ids
    with torch.no_grad():
        difference = np.abs(model(torch.tensor([ids]))[0].numpy() - second.forward(ids)[0]).max()
    print(f"largest difference of a logit from ggufmodel.py's: {difference:.2g}")
    assert difference < 1e-3
    if args.reference:
        args.reference.write_text(lines(reference(model, tok)) + "\n")
    for prompt in ("The old man looked at the sea and", "func (s *Server) ", '"I never said that," '):
        print("---", continue_text(model, tok, prompt), sep="\n")
    print("---", json.dumps(bits_per_byte(model, args.work), indent=1), sep="\n")


if __name__ == "__main__":
    main()
