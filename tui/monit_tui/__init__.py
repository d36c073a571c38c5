"""monit's screen: everything that imports Textual, and nothing else."""
