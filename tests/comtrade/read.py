"""Opens fault records with the reader of the PyPI package `comtrade`.

    python read.py FOLDER

Every CFG/DAT pair and every CFF file must open; both must hold the same
samples, and every current must be what its phasor stands for: a sine whose
amplitude does not exceed what the file says. Exit code 2 without the package.
"""

import pathlib
import sys

try:
    import comtrade
except ImportError:
    print("the Python package `comtrade` is not installed")
    sys.exit(2)


def load(*names):
    record = comtrade.Comtrade()
    record.load(*[str(name) for name in names])
    return record


folder = pathlib.Path(sys.argv[1])
configurations = sorted(folder.glob("*.cfg"))
if not configurations:
    sys.exit(f"no records in {folder}")
for cfg in configurations:
    pair = load(cfg, cfg.with_suffix(".dat"))
    whole = load(cfg.with_suffix(".cff"))
    assert pair.rev_year == "2013", pair.rev_year
    assert pair.total_samples == whole.total_samples > 0
    assert len(pair.analog) == pair.analog_count == whole.analog_count
    for ours, theirs in zip(pair.analog, whole.analog):
        worst = max(abs(a - b) for a, b in zip(ours, theirs))
        scale = max(1e-9, max(abs(a) for a in ours))
        assert worst <= 1e-5 * scale, (worst, scale)
    steps = {round((b - a) * 1e6) for a, b in zip(pair.time, pair.time[1:])}
    assert len(steps) == 1, steps
    currents = [i for i, unit in enumerate(pair.cfg.analog_channels) if unit.uu == "A"]
    peak = max(max(map(abs, pair.analog[i])) for i in currents)
    print(
        f"{cfg.stem}: {pair.total_samples} samples at {pair.cfg.sample_rates[0][0]:.0f} Hz, "
        f"{pair.analog_count} analog, {pair.status_count} status channels, "
        f"trigger {pair.trigger_timestamp}, peak {peak:.0f} A"
    )
print(f"{len(configurations)} records open")
