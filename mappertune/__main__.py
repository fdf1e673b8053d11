"""``python -m mappertune`` is ``mappertune``."""

import sys

from studies.cli import main

sys.exit(main())
