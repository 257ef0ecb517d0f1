"""This suite beside its peers: ``make bench``, or ``python3 -m benchmarks --help``."""
