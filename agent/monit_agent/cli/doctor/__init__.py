"""What `monit doctor` checks: one file a subject, and one table of all checks."""
