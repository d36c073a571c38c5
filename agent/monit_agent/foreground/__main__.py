"""``python -I -S …/monit_agent/foreground/__main__.py FD``: run the plan that ``FD`` holds."""

import os
import sys

if __name__ == "__main__":
    # isolated, so that no package but ours and the standard library can be found
    sys.path[0:0] = [os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))]
    from monit_agent.foreground.runner import main

    code = main(int(sys.argv[1]))
    os._exit(code)  # not waiting for a thread that writes to an output nobody reads
