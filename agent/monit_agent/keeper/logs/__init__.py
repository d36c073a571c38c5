"""What workers print: named pipes and log files."""
