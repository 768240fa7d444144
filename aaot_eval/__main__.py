"""`python -m aaot_eval` does what `aaot-eval` does."""

from aaot_eval.cli import main

if __name__ == "__main__":
    main()
