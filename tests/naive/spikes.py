"""Spikes, as they are defined."""

import math


def spectrum_roughness(x, sample):
    """Median of second differences over that of white noise of unit variance."""
    values = sorted(abs(x[e - 1] - 2 * x[e] + x[e + 1]) for e in sample)
    half = len(values) // 2
    median = values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2
    return median / 1.6522


def spike_candidates(x, roughness, unit, factor, max_width):
    """List of (first channel, width, largest, mean of neighbours, excess)."""
    m, runs, taken = len(x), [], set()
    for width in range(1, max_width + 1):
        for e in range(m - width + 1):
            run = x[e : e + width]
            beside = [*x[max(e - 2, 0) : e], *x[e + width : e + width + 2]]
            level = max(beside)
            variance = unit * max(level, unit) + roughness**2
            high = min(run) - level > factor * math.sqrt(2 * variance)
            if high and not taken & set(range(e, e + width)):
                taken |= set(range(e, e + width))
                mean = sum(beside) / len(beside)
                runs.append((e, width, level, mean, min(run) - level))
    return runs
