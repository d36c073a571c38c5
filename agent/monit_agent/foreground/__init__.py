"""`monit run`: apps in the foreground, also as the first process of a container."""
