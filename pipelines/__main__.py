"""`python -m pipelines` is the command `csba`."""

from pipelines.entry import main

main()
