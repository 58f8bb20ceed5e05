"""Training and test text of the tiny model: books, Go source, tokenizer, token streams.

    python3 textdata.py --books DIR --goroot DIR --work DIR

DIR of the books holds README.md (a table that names each book's use, train or test) and NAME.txt.gz.
The work folder receives tokenizer.json, train.npy (one uint16 stream), test_books.npz, test_code.npz
(one array per document) and data.json (sizes and SHA-256 of every part).
"""
import argparse
import gzip
import hashlib
import json
import pathlib
import re

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCAB = 2048
END = "<|endoftext|>"  # id 0: stands before every document, and ends generation

# Whole packages are held out, so that no test file has a sibling in the training text.
CODE_TEST = ("bufio", "container", "encoding/csv", "flag", "path", "sort", "text/tabwriter")
CODE_TRAIN = (
    "bytes", "compress", "context", "database", "encoding",
    "errors", "expvar", "fmt", "go/ast", "go/build", "go/constant", "go/doc", "go/format",
    "go/parser", "go/printer", "go/scanner", "go/token", "hash", "html/template", "image", "index",
    "io", "log", "maps", "math/big", "math/rand", "mime", "net/http", "net/textproto", "net/url",
    "os", "reflect", "regexp", "slices", "strconv", "strings", "sync", "text", "unicode/utf8",
)
CODE_FILE_LIMIT = 64 << 10
PLAIN = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "—": "--", "–": "-", "…": "..."})


def books(folder: pathlib.Path, use: str) -> dict[str, str]:
    """Books of one use, in the order of the table."""
    rows = re.findall(r"^\| (\S+) \| \w+ \| [\d,]+ \| (train|test) \|", (folder / "README.md").read_text(), re.M)
    return {n: gzip.open(folder / f"{n}.txt.gz", "rt", encoding="utf8").read() for n, u in rows if u == use}


def plain_quotes(text: str) -> str:
    """Every fourth run of 100 paragraphs with typewriter quotes and dashes: prompts are often typed so."""
    paragraphs = text.split("\n\n")
    runs = [paragraphs[i : i + 100] for i in range(0, len(paragraphs), 100)]
    out = ["\n\n".join(r).translate(PLAIN if i % 4 == 3 else {}) for i, r in enumerate(runs)]
    return "\n\n".join(out)


def code(goroot: pathlib.Path, use: str) -> dict[str, str]:
    """Go's standard library by path, without tests, generated files, tables and licence headers."""
    def inside(name, packages):
        return any(name == p or name.startswith(p + "/") for p in packages)

    out = {}
    for path in sorted((goroot / "src").rglob("*.go")):
        name = path.relative_to(goroot / "src").as_posix()
        package = name.rpartition("/")[0]
        held_out = inside(package, CODE_TEST)
        wanted = held_out if use == "test" else inside(package, CODE_TRAIN) and not held_out
        if not wanted or name.endswith("_test.go") or "testdata" in name or "/internal/" in name:
            continue
        text = path.read_text(encoding="utf8")
        if len(text) > CODE_FILE_LIMIT or "DO NOT EDIT" in text[:2000]:
            continue
        out[name] = re.sub(r"\A// Copyright.*?\n\n", "", text, flags=re.S)
    return out


def train_tokenizer(texts: list[str]) -> Tokenizer:
    """Byte-level BPE behind SmolLM's pre-tokenizer: digits singly, then GPT-2's pattern."""
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=[END], min_frequency=2, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    assert tok.get_vocab_size() == VOCAB and tok.token_to_id(END) == 0
    return tok


def encode(tok: Tokenizer, text: str) -> np.ndarray:
    """END and then the document."""
    return np.array([0] + tok.encode(text).ids, dtype=np.uint16)


def digest(texts) -> dict:
    h = hashlib.sha256()
    for t in texts:
        h.update(t.encode())
    return {"documents": len(texts), "bytes": sum(len(t.encode()) for t in texts), "sha256": h.hexdigest()}


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    for name in ("books", "goroot", "work"):
        ap.add_argument("--" + name, type=pathlib.Path, required=True)
    args = ap.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    parts = {
        "train_books": [plain_quotes(t) for t in books(args.books, "train").values()],
        "train_code": list(code(args.goroot, "train").values()),
        "test_books": list(books(args.books, "test").values()),
        "test_code": list(code(args.goroot, "test").values()),
    }
    tok = train_tokenizer(parts["train_books"] + parts["train_code"])
    tok.save(str(args.work / "tokenizer.json"))
    ids = {k: [encode(tok, t) for t in v] for k, v in parts.items()}
    info = {k: digest(v) | {"tokens": sum(len(x) - 1 for x in ids[k])} for k, v in parts.items()}
    np.save(args.work / "train.npy", np.concatenate(ids["train_books"] + ids["train_code"]))
    for k in ("test_books", "test_code"):
        np.savez(args.work / f"{k}.npz", *ids[k])
    info["go_version"] = (args.goroot / "VERSION").read_text().split()[0]
    (args.work / "data.json").write_text(json.dumps(info, indent=1) + "\n")
    print(json.dumps(info, indent=1))


if __name__ == "__main__":
    main()
