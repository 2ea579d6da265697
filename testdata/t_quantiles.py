"""Writes t_quantiles.in: (level, degrees of freedom, two-sided quantile of Student's t), by mpmath at 30 digits."""
from mpmath import mp, mpf, betainc, findroot, sqrt

mp.dps = 30


def tail(t, v):
    return betainc(v / 2, mpf(1) / 2, 0, v / (v + t * t), regularized=True)


lines = []
for level, v in [(0.5, 1), (0.95, 1), (0.95, 0.4), (0.95, 2.5), (0.95, 57.3), (0.99, 9), (0.999, 3), (0.9, 1e3), (0.95, 9.9e4), (0.95, 1e5), (0.999, 1e6), (0.68, 7.25)]:
    level, v = mpf(level), mpf(v)
    target = 1 - level
    low, high = mpf(0), mpf(1)
    while tail(high, v) > target:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if tail(middle, v) > target:
            low = middle
        else:
            high = middle
    lines.append(f"    ({float(level)!r}, {float(v)!r}, {mp.nstr(low, 20)}),")
open("t_quantiles.in", "w").write("[\n" + "\n".join(lines) + "\n]\n")
