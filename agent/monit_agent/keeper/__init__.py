"""The keeper: the only code that forks, waits, holds listeners and log files."""
