"""``python -I -S …/monit_agent/boot/__main__.py HOME``: what ``monit boot`` becomes."""

import os
import sys

if __name__ == "__main__":
    # isolated, so that no package but ours and the standard library can be found
    sys.path[0:0] = [os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))]
    from monit_agent.boot.startup import run

    run()
