"""What a model's KV cache looks like: norm of the first token, channel outliers, decay of token correlation.

    python3 cachestat.py MODEL.gguf TEXT [--bytes 3200] [--json OUT]

Per layer and KV head, over a cache of the first BYTES bytes of TEXT (no BOS). Token 0 is left out of all
but the first statistic. Definitions, x one head's vectors [tokens, head_dim]:

    first    norm of token 0 over the median norm of the others
    std      largest standard deviation of a channel over the median channel's
    mean     largest |mean| of a channel over the median channel's standard deviation
    lag l    sum of x_t . x_(t+l) over the root of the product of the two sums of squares, after each
             channel's mean is taken away
"""
import argparse
import json

import numpy as np

from ggufmodel import GGUFModel

LAGS = (1, 2, 4, 8, 16, 32, 64, 128)
QUANTILES = (0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100)


def head(x: np.ndarray) -> dict:
    x = x.astype(np.float64)
    norm = np.linalg.norm(x, axis=-1)
    first, x = norm[0] / np.median(norm[1:]), x[1:]
    mean, std = x.mean(0), x.std(0)
    c = x - mean
    lag = {str(n): float((c[:-n] * c[n:]).sum() / np.sqrt((c[:-n] ** 2).sum() * (c[n:] ** 2).sum()))
           for n in LAGS if n < len(c) // 2}
    spectrum = np.sort(np.linalg.eigvalsh(c.T @ c))[::-1]
    z = c / std
    q = lambda a: np.quantile(a, np.array(QUANTILES) / 100).round(5).tolist()
    return {
        "first": float(first), "std": float(std.max() / np.median(std)),
        "mean": float(np.abs(mean).max() / np.median(std)), "lag": lag,
        "largest": float(np.abs(x).max()), "kurtosis": float((z**4).mean()),
        "share_of_mean_in_square": float((mean**2).sum() / (x**2).mean(0).sum()),
        "variance_in_top": {str(n): float(spectrum[:n].sum() / spectrum.sum()) for n in (1, 2, 4, 8, 16, 32)},
        "norm_quantiles": q(norm[1:]), "std_quantiles": q(std), "abs_mean_quantiles": q(np.abs(mean)),
        "channel_mean": mean.round(5).tolist(), "channel_std": std.round(5).tolist(),
    }


def statistics(caches) -> dict:
    """By kind of tensor, a list of layers of lists of heads."""
    return {kind: [[head(x) for x in c[kind]] for c in caches] for kind in ("k_before_rope", "k", "v")}


def summary(stats) -> dict:
    out = {}
    for kind, layers in stats.items():
        flat = [h for heads in layers for h in heads]
        col = lambda f: [float(np.median([f(h) for h in flat])), float(np.max([f(h) for h in flat]))]
        out[kind] = {n: col(lambda h: h[n]) for n in ("first", "std", "mean")}
        out[kind] |= {f"lag {n}": col(lambda h: h["lag"][n]) for n in ("1", "4", "16", "64")}
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model")
    ap.add_argument("text")
    ap.add_argument("--bytes", type=int, default=3200)
    ap.add_argument("--json")
    args = ap.parse_args()
    model = GGUFModel(args.model)
    text = open(args.text, "rb").read()[: args.bytes].decode("utf8", "ignore")
    ids = model.tokenizer().encode(text).ids
    stats = statistics(model.forward(ids)[1])
    print(len(ids), "tokens; median and largest over layers and heads")
    for kind, rows in summary(stats).items():
        for name, (median, largest) in rows.items():
            print(f"{kind:14} {name:7} {median:9.3f} {largest:9.3f}")
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"tokens": len(ids), "quantiles_percent": QUANTILES, "summary": summary(stats), "heads": stats}, f)


if __name__ == "__main__":
    main()
