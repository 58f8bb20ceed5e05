"""Draws loss.csv as loss.svg: training loss over trained tokens.   python3 curve.py loss.csv loss.svg"""
import csv
import sys

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 320, 48, 36


def main(source, target):
    rows = list(csv.DictReader(open(source)))
    x = [float(r["tokens"]) / 1e6 for r in rows]
    y = [float(r["loss_nats_per_token"]) for r in rows]
    low, high = 3.0, 5.5
    right = max(x)
    px = lambda v: LEFT + v / right * (WIDTH - LEFT - 12)
    py = lambda v: 12 + (high - min(v, high)) / (high - low) * (HEIGHT - BOTTOM - 12)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
           'font-size="11" fill="#444"><rect width="100%" height="100%" fill="#fff"/>']
    for i in range(6):
        v = low + i * (high - low) / 5
        out.append(f'<path d="M{LEFT} {py(v):.1f}H{WIDTH - 12}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 6}" y="{py(v) + 4:.1f}" text-anchor="end">{v:.1f}</text>')
    for v in range(0, int(right) + 1, 5):
        out.append(f'<text x="{px(v):.1f}" y="{HEIGHT - 20}" text-anchor="middle">{v}</text>')
    line = " ".join(f"{px(a):.1f},{py(b):.1f}" for a, b in zip(x, y))
    out.append(f'<polyline points="{line}" fill="none" stroke="#1f6fb2" stroke-width="1.2"/>')
    out.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 5}" text-anchor="middle">million tokens</text>'
               f'<text x="{LEFT + 8}" y="24">training loss, nats per token</text></svg>')
    open(target, "w").write("\n".join(out) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
