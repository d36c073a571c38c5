"""Random faults under load, and then an account of every request, line and restart.

``python -m chaos --seconds 300 --seed 7`` with ``tests/`` on the path; ``make chaos`` does that.
"""
