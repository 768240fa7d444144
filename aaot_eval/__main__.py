"""The entry point: `aaot-eval`, and `python -m aaot_eval`."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Carry out the command line; Ctrl-C while the program itself is still being loaded ends as it does later."""
    try:
        from aaot_eval.cli import main as command_line
    except KeyboardInterrupt:
        from aaot_eval.cli import _endings

        sys.exit(_endings.interrupted("--json" in sys.argv))
    command_line()


if __name__ == "__main__":
    main()
