"""``python -m monit_agent`` is ``monit``."""

import sys

from monit_agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
