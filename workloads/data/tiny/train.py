"""Trains the tiny model, writes tiny.gguf and loss.csv. See README.md for the commands.

The length is a wall-clock budget: learning rates follow the share of it that has passed, so that the
schedule always ends at zero on time, whatever else the machine does. recipe.json says what was done.
"""
import argparse
import dataclasses
import json
import pathlib
import platform
import time

import numpy as np
import torch
import torch.nn.functional as F

from model import Llama, Shape, round_to_f16, write_gguf


@dataclasses.dataclass
class Recipe:
    seed: int = 1
    minutes: float = 60.0
    batch_tokens: int = 8192
    large_batch_tokens: int = 16384
    short: int = 512            # tokens of a training sequence at first
    long_from: float = 0.6      # share of the budget from which sequences have the full context
    large_from: float = 0.5     # share from which batches are large
    warmup: float = 0.01
    decay_from: float = 0.35    # linear from here to zero
    muon_lr: float = 0.02
    muon_momentum: float = 0.95
    embed_lr: float = 0.01
    output_lr: float = 0.003
    norm_lr: float = 0.005
    betas: tuple = (0.9, 0.95)
    weight_decay: float = 0.05
    start: float = 1.0          # factor of all rates at first: below one where a run goes on from another
    resumed_tokens: int = 0     # tokens that the run before had seen


def orthogonalise(g: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Newton-Schulz iteration towards the nearest semi-orthogonal matrices of a stack (Jordan et al., Muon, 2024)."""
    x = g.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.mT if tall else x).float()


class Muon:
    """Momentum, orthogonalised, for the matrices between embedding and output; equal shapes go as one stack."""

    def __init__(self, params, momentum: float, weight_decay: float):
        self.momentum, self.weight_decay, self.stacks = momentum, weight_decay, {}
        for p in params:
            self.stacks.setdefault(tuple(p.shape), []).append(p)
        self.buffers = {s: torch.zeros(len(ps), *s) for s, ps in self.stacks.items()}

    @torch.no_grad()
    def step(self, lr: float, momentum: float):
        for shape, params in self.stacks.items():
            g = torch.stack([p.grad for p in params])
            buf = self.buffers[shape].lerp_(g, 1 - momentum)
            update = orthogonalise(g.lerp(buf, momentum)) * max(1.0, shape[0] / shape[1]) ** 0.5
            for p, u in zip(params, update):
                p.mul_(1 - lr * self.weight_decay).add_(u, alpha=-lr)


def windows(stream: np.ndarray, seed: int, seen: int):
    """Sequences of `tokens` + 1 ids in random order, every token once an epoch; ask with send(tokens).

    The first `seen` tokens of the order are passed over.
    """
    rng, epoch = np.random.default_rng(seed), 0
    tokens = yield
    while True:
        # Cut at the longest context and deal out parts of it, so that the length may change at any time.
        size = 1024
        start = int(rng.integers(size))
        order = rng.permutation((len(stream) - start - 1) // size)
        order, seen = order[seen // size :], max(seen - len(order) * size, 0)
        for cut in order:
            at, end = start + cut * size, start + (cut + 1) * size
            while at < end:
                n = min(tokens, end - at)
                tokens = yield epoch, stream[at : at + n + 1].astype(np.int64)
                at += n
        epoch += 1


def rate(r: Recipe, share: float) -> float:
    """Factor of all learning rates when `share` of the budget has passed."""
    if share < r.warmup:
        return r.start * max(share / r.warmup, 0.05)
    return r.start * min(1.0, (1 - share) / (1 - r.decay_from))


def train(r: Recipe, shape: Shape, work: pathlib.Path, compiled: bool, resume: pathlib.Path | None):
    torch.manual_seed(r.seed)
    model = Llama(shape)
    if resume:
        model.load_state_dict(torch.load(resume, weights_only=True)["model"])
    stream = np.load(work / "data" / "train.npy")
    matrices = [p for n, p in model.named_parameters() if n.startswith("blk") and p.ndim == 2]
    norms = [p for p in model.parameters() if p.ndim == 1]
    muon = Muon(matrices, r.muon_momentum, r.weight_decay)
    adam = torch.optim.AdamW([
        {"params": [model.token_embd], "peak": r.embed_lr}, {"params": [model.output], "peak": r.output_lr},
        {"params": norms, "peak": r.norm_lr}], lr=0.0, betas=r.betas, eps=1e-10, weight_decay=0.0, fused=True)

    def loss_of(ids):
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(ids[:, :-1])
        return F.cross_entropy(logits.view(-1, shape.vocab), ids[:, 1:].reshape(-1))

    step_loss = torch.compile(loss_of, dynamic=False) if compiled else loss_of
    if compiled:  # both lengths, before the clock starts
        for n in (r.short, shape.context):
            step_loss(torch.zeros(r.batch_tokens // n, n + 1, dtype=torch.long)).backward()
        model.zero_grad(set_to_none=True)
    feed = windows(stream, r.seed, r.resumed_tokens)
    next(feed)
    log = open(work / "loss.csv", "w", buffering=1)
    log.write("step,minutes,tokens,epoch,sequence,loss_nats_per_token\n")
    begin, saved, step, seen, recent = time.time(), time.time(), 0, r.resumed_tokens, []
    while (share := (time.time() - begin) / (60 * r.minutes)) < 1:
        length = shape.context if share >= r.long_from else r.short
        parts = (r.large_batch_tokens if share >= r.large_from else r.batch_tokens) // r.batch_tokens
        total = 0.0
        for _ in range(parts):
            rows = []
            while len(rows) < r.batch_tokens // length:
                epoch, ids = feed.send(length)
                if len(ids) == length + 1:
                    rows.append(ids)
            loss = step_loss(torch.from_numpy(np.stack(rows))) / parts
            loss.backward()
            total += loss.item()
        factor = rate(r, share)
        muon.step(factor * r.muon_lr, min(r.muon_momentum, 0.85 + step / 3000))
        for g in adam.param_groups:
            g["lr"] = factor * g["peak"]
        adam.step()
        model.zero_grad(set_to_none=True)
        step, seen = step + 1, seen + parts * r.batch_tokens
        recent.append(total)
        if step % 20 == 0:
            log.write(f"{step},{(time.time() - begin) / 60:.2f},{seen},{epoch},{length},{np.mean(recent):.4f}\n")
            recent = []
        if time.time() - saved > 240:
            torch.save({"model": model.state_dict(), "tokens": seen, "share": share}, work / "checkpoint.pt")
            saved = time.time()
    torch.save({"model": model.state_dict(), "tokens": seen, "share": 1.0}, work / "final.pt")
    return {"steps": step, "tokens": seen, "epochs": epoch + 1, "minutes": round((time.time() - begin) / 60, 1)}


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--work", type=pathlib.Path, required=True, help="folder that textdata.py filled as WORK/data")
    ap.add_argument("--out", type=pathlib.Path, help="GGUF file to write; default WORK/tiny.gguf")
    ap.add_argument("--resume", type=pathlib.Path, help="checkpoint.pt of a run to go on from")
    ap.add_argument("--eager", action="store_true", help="without torch.compile")
    for f in dataclasses.fields(Recipe):
        if f.type in (int, float, "int", "float"):
            ap.add_argument("--" + f.name.replace("_", "-"), type=type(f.default), default=f.default)
    args = vars(ap.parse_args())
    recipe = Recipe(**{k: v for k, v in args.items() if k in Recipe.__dataclass_fields__})
    shape, work = Shape(), args["work"]
    done = train(recipe, shape, work, not args["eager"], args["resume"])
    model = Llama(shape)
    model.load_state_dict(torch.load(work / "final.pt", weights_only=True)["model"])
    round_to_f16(model)
    tokenizer = json.loads((work / "data" / "tokenizer.json").read_text())
    write_gguf(model, tokenizer, args["out"] or work / "tiny.gguf",
               "Trained on public-domain books (CC0) and Go's standard library (BSD-3-Clause) for kvgauge.")
    record = {"shape": dataclasses.asdict(shape), "recipe": dataclasses.asdict(recipe), "done": done,
              "parameters": sum(p.numel() for p in model.parameters()),
              "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
              "data": json.loads((work / "data" / "data.json").read_text())}
    (work / "recipe.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(done))


if __name__ == "__main__":
    main()
