"""Writes splits.json: random texts and how PyPI's tokenizers splits them by each set of rules.

    pip install tokenizers && python3 splits.py > splits.json
"""

import json
import random

from tokenizers import Regex
from tokenizers import pre_tokenizers as pre

HEAD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def isolated(expression):
    return pre.Split(Regex(expression), "isolated")


RULES = {
    "gpt-2": isolated(GPT2),
    "smollm": pre.Sequence([pre.Digits(individual_digits=True), isolated(GPT2)]),
    "llama-bpe": isolated(HEAD + r"\p{N}{1,3}" + TAIL),
    "qwen2": isolated(HEAD + r"\p{N}" + TAIL),
}
COMMON = " 'sabt\n1."
RARE = " \t\n\r\u00a0\u3000\u2028\u0085\x0b\x0c'\u2019aBcstREVEllLdmM0129½²Ⅷ٣.,;!?-_(){}éßñ中文日本한ǅʰ\u0301👍🏽🙂\u200d€$"

random.seed(5)
rows = []
for _ in range(200):
    text = "".join(random.choice(RARE if random.random() < 0.6 else COMMON)
                   for _ in range(random.randint(1, 24)))
    rows.append({"text": text, "pieces": {
        name: [piece for piece, _ in rule.pre_tokenize_str(text)] for name, rule in RULES.items()}})
print("[" + ",\n".join(json.dumps(row, ensure_ascii=True) for row in rows) + "]")
