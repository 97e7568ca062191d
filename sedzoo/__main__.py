"""python -m sedzoo, the same as the command sedzoo."""

import sys

from sedzoo.cli import main

sys.exit(main())
