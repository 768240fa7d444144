"""The entry point: `aaot-eval`, and `python -m aaot_eval`."""

from __future__ import annotations

import sys


def main() -> int:
    """The command line that was typed, to its exit code; Ctrl-C while the program itself is still being loaded ends as it does later."""
    try:
        from aaot_eval.cli import main as command_line
    except KeyboardInterrupt:
        from aaot_eval.cli import _endings

        return _endings.interrupted("--json" in sys.argv)
    return command_line()


if __name__ == "__main__":
    sys.exit(main())
