"""The table of checks: a new check is a function that returns findings, and one row here."""

from monit_agent.cli.doctor import home, hooks, processes, surroundings
from monit_agent.cli.doctor.findings import Check

CHECKS = (
    Check("home", home.check_home),
    Check("paths", home.check_paths),
    Check("leftovers", home.check_leftovers),
    Check("disk", home.check_disk),
    Check("memory", home.check_memory_folder),
    Check("clock", home.check_clock),
    Check("keepers", processes.check_keepers),
    Check("agents", processes.check_agents),
    Check("hooks", hooks.check_hooks),
    Check("versions", processes.check_versions),
    Check("installation", processes.check_installation),
    Check("descriptors", processes.check_descriptors),
    Check("processes", processes.check_process_limits),
    Check("boot", surroundings.check_boot),
    Check("node", surroundings.check_node),
    Check("terminal", surroundings.check_terminal),
)
