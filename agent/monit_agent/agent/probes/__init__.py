"""Reports of the probes inside workers, and the figures made from them."""
