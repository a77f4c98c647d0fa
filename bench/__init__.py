"""Figures, not tests: `tox -e bench`. Machines are noisy, so that what counts are ratios within one run."""
