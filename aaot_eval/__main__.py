"""The entry point: `aaot-eval`, and `python -m aaot_eval`."""

from __future__ import annotations

import atexit
import os
import signal
import sys


def main() -> int:
    """The command line that was typed, to its exit code; Ctrl-C while the program itself is still being loaded ends as it does later."""
    try:
        from aaot_eval.cli import main as command_line

        return command_line()
    except KeyboardInterrupt:
        from aaot_eval.cli import _endings

        return _endings.interrupted("--json" in sys.argv)


def program() -> None:
    """Carry out the command line that was typed and end the process with its exit code.

    What libraries left to be done at the end is done, what was printed is out; then the process ends as it is. To take everything
    loaded apart first takes Python a sixth of a second and gives nothing back that the system does not.
    """
    code = main()
    # What libraries do at the end may take a while: Ctrl-C then ends the process as it was going to end.
    signal.signal(signal.SIGINT, lambda _signal, _frame: os._exit(code))
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads it any more: Python's own ending knows how to say so
        sys.exit(code)
    os._exit(code)


if __name__ == "__main__":
    program()
