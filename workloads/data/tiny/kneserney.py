"""Interpolated modified Kneser-Ney n-grams (Chen and Goodman 1998, section 3) over the tiny model's tokens.

    python3 kneserney.py --work DIR [--order 5]

Trains on DIR/data/train.npy, checks that its probabilities sum to one, and prints bits per byte on the
test documents. Every token after a document's leading END is scored; the history is the four tokens
before it, fewer at the document's beginning. Counts of all orders but the highest are continuation
counts (how many different tokens were seen before the n-gram); the lowest order is interpolated with the
uniform distribution. N-grams are integers of 11 bits a token, oldest token highest, in sorted arrays.
"""
import argparse
import json
import pathlib

import numpy as np

BITS, VOCAB = 11, 2048


def grams(stream: np.ndarray, n: int) -> np.ndarray:
    """Key of the n-gram that starts at every position."""
    key = np.zeros(len(stream) - n + 1, np.uint64)
    for i in range(n):
        key = key << np.uint64(BITS) | stream[i : len(stream) - n + 1 + i].astype(np.uint64)
    return key


class Order:
    """One order's n-grams with discounted counts, and its contexts with totals and left-over mass."""

    def __init__(self, keys: np.ndarray, counts: np.ndarray):
        n1, n2, n3, n4 = (np.count_nonzero(counts == i) for i in (1, 2, 3, 4))
        if min(n1, n2, n3) == 0:  # unigrams of a large text: none is rare, so none is discounted by more than this
            self.discount = np.array([0, 0.5, 0.5, 0.5])
        else:
            y = n1 / (n1 + 2 * n2)
            self.discount = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
        d = self.discount[np.minimum(counts, 3)]
        self.keys, self.kept = keys, counts - d
        self.contexts, first = np.unique(keys >> np.uint64(BITS), return_index=True)
        self.total = np.add.reduceat(counts, first).astype(np.float64)
        self.left = np.add.reduceat(d, first)

    def apply(self, key: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """P of this order for each key, given the next lower order's; unseen contexts keep the lower."""
        context = key >> np.uint64(BITS)
        at = np.minimum(np.searchsorted(self.contexts, context), len(self.contexts) - 1)
        seen = self.contexts[at] == context
        gram = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        kept = np.where(self.keys[gram] == key, self.kept[gram], 0.0)
        return np.where(seen, (kept + self.left[at] * lower) / self.total[at], lower)


class KneserNey:
    def __init__(self, stream: np.ndarray, order: int):
        self.orders = []
        keys, counts = np.unique(grams(stream, order), return_counts=True)
        for n in range(order, 0, -1):
            self.orders.insert(0, Order(keys, counts))
            suffix = keys & np.uint64((1 << BITS * (n - 1)) - 1)
            keys, counts = np.unique(suffix, return_counts=True)

    def probability(self, tokens: np.ndarray, history: np.ndarray) -> np.ndarray:
        """P of the last token of each row of ids; history says how many of those before it may be seen."""
        p, key = np.full(len(tokens), 1 / VOCAB), np.zeros(len(tokens), np.uint64)
        for n, order in enumerate(self.orders, 1):
            key = key | tokens[:, -n].astype(np.uint64) << np.uint64(BITS * (n - 1))
            p = np.where(history >= n - 1, order.apply(key, p), p)
        return p


def rows(document: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Each token after the first with its history, and how long that is."""
    padded = np.concatenate((np.zeros(order - 1, np.int64), document.astype(np.int64)))
    view = np.lib.stride_tricks.sliding_window_view(padded, order)[1:]
    return view, np.minimum(np.arange(1, len(document)), order - 1)


def check(model: KneserNey, document: np.ndarray, order: int, samples: int = 200) -> float:
    """Largest |ΣP − 1| over sampled histories of a document, and as many random ones."""
    rng = np.random.default_rng(0)
    view, history = rows(document, order)
    pick = rng.integers(len(view), size=samples)
    random = rng.integers(VOCAB, size=(samples, order))
    worst = 0.0
    for row, h in [*zip(view[pick], history[pick]), *zip(random, rng.integers(order, size=samples))]:
        all_words = np.tile(row, (VOCAB, 1))
        all_words[:, -1] = np.arange(VOCAB)
        worst = max(worst, abs(model.probability(all_words, np.full(VOCAB, h)).sum() - 1))
    return worst


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--work", type=pathlib.Path, required=True)
    ap.add_argument("--order", type=int, default=5, choices=range(1, 6))
    args = ap.parse_args()
    data = args.work / "data"
    info = json.loads((data / "data.json").read_text())
    model = KneserNey(np.load(data / "train.npy"), args.order)
    out = {"order": args.order, "ngrams": [len(o.keys) for o in model.orders],
           "discounts": [o.discount[1:].round(4).tolist() for o in model.orders]}
    for part in ("test_books", "test_code"):
        documents = list(np.load(data / f"{part}.npz").values())
        out["largest_error_of_sum"] = max(out.get("largest_error_of_sum", 0), check(model, documents[0], args.order))
        bits = sum(-np.log2(model.probability(*rows(d, args.order))).sum() for d in documents)
        tokens = sum(len(d) - 1 for d in documents)
        out[part] = {"bits_per_byte": bits / info[part]["bytes"], "nats_per_token": bits * np.log(2) / tokens,
                     "tokens": tokens}
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
