"""What an app did in the last 30 days, on disk; a killed agent loses the second in hand at most."""
