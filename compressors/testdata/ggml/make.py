"""Writes vectors.txt: rows of 32 binary16 values and the blocks that the Python quantisers of
PyPI's gguf make of them. Run as: pip install numpy gguf && python make.py > vectors.txt

Each line: type, the row's patterns, the block, all in hexadecimal.
"""
import sys

import gguf
import numpy as np

rng = np.random.default_rng(7)
rows = [rng.standard_normal(32) * 10.0**e for e in (-6, -4, -3, -2, -1, 0, 0, 0, 0, 0, 1, 2, 4)]
rows += [rng.standard_t(2, 32) for _ in range(4)]
rows += [rng.integers(-16, 17, 32) / 16 for _ in range(4)]  # many ties
rows += [rng.integers(-127, 128, 32) / 2 for _ in range(4)]
rows += [np.zeros(32), np.ones(32), np.full(32, -3.0), np.arange(32.0) - 15.5]
rows += [np.where(np.arange(32) == 17, 65504, 1.0), np.where(np.arange(32) % 2, 5.0, -5.0)]
rows += [np.where(np.arange(32) == 5, -6e-8, 0.0), rng.standard_normal(32) + 1000]

types = gguf.GGMLQuantizationType
for row in rows:
    half = np.asarray(row, dtype=np.float16)
    for name in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"):
        with np.errstate(all="ignore"):
            block = gguf.quants.quantize(half.astype(np.float32).reshape(1, 32), types[name])
        if not np.isfinite(block[0, :2].view(np.float16)).all():
            sys.exit("a scale is not finite")
        print(name.lower(), half.view(np.uint8).tobytes().hex(), block.tobytes().hex())
