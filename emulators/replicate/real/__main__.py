"""``python -m emulators.replicate.real``: sets the real trainer up, once. Killed, it begins anew what was not finished.

Ends with 0 when all is there, with 3 when it cannot be had here (no registry, no CPU build of PyTorch, no room on the
disk), and with a traceback when it should have worked.
"""

from __future__ import annotations

import argparse
import sys

from emulators.replicate.real import setup
from emulators.replicate.real.home import VERSIONS, Home


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m emulators.replicate.real", description=__doc__)
    parser.add_argument("--version", action="append", choices=VERSIONS, help="repeat for more (default: all of them)")
    parser.add_argument("--newest", action="append_const", dest="version", const=VERSIONS[0], help="only that one")
    asked = parser.parse_args()
    try:
        setup.run(Home.chosen(), tuple(asked.version or VERSIONS))
    except setup.Unavailable as error:
        print(f"The real trainer cannot be had here: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
