"""A conda and a micromamba over py-rattler: what `tests/support/micromamba.py` packs and installs.

Two command lines (mm.py, conda.py) over the same parts. Text, exit statuses and side effects are
those of micromamba 2.8 and conda 26.7 as far as gpuws can see them; every flag the real tool does
not have is refused.
"""
