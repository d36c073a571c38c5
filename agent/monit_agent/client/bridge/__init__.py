"""The other end of a connection to this machine: what ``monit bridge`` runs."""
