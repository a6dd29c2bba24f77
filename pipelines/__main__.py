"""`python -m pipelines` is the command `csba`."""

from pipelines.cli import main

main()
