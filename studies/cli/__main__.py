"""``python -m studies.cli`` is ``mappertune``."""

import sys

from studies.cli import main

sys.exit(main())
