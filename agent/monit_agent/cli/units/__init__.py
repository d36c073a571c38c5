"""What starts `monit boot` when the machine starts: units of systemd, OpenRC and launchd."""
