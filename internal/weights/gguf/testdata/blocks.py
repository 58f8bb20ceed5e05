"""Writes blocks.json: random blocks of each GGUF type and what PyPI's gguf makes of them.

    pip install gguf numpy && python3 blocks.py > blocks.json
"""

import json

import gguf
import numpy as np

rng = np.random.default_rng(20240607)
Q = gguf.GGMLQuantizationType
# Where a block of each type holds float16 scales: random bytes there could be Inf or NaN.
SCALES = {"F16": [0], "BF16": [], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2],
          "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
out = []
for name, offsets in SCALES.items():
    block, size = gguf.GGML_QUANT_SIZES[Q[name]]
    n = 2 if block > 1 else 16
    raw = rng.integers(0, 256, (n, size), dtype=np.uint8)
    for at in offsets:
        half = rng.normal(0, 0.1, n).astype(np.float16)
        raw[:, at:at + 2] = half.view(np.uint8).reshape(n, 2)
    if name == "BF16":
        raw = rng.normal(0, 1, n).astype(np.float32).view(np.uint16)[1::2].copy().view(np.uint8)
        raw = raw.reshape(-1, 2)
    values = gguf.quants.dequantize(raw.reshape(1, -1), Q[name]).astype(np.float32).reshape(-1)
    out.append({"type": name, "id": int(Q[name]), "blocks": raw.tobytes().hex(),
                "values_f32le": values.astype("<f4").tobytes().hex()})
print("[")
print(",\n".join(json.dumps(row) for row in out))
print("]")
