"""A small real app and its load, for `monit demo`; stands alone."""
