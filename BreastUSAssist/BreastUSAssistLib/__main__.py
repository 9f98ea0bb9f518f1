"""`python -m BreastUSAssistLib` is the command `breastusassist`."""

import sys

from .command_line import main

sys.exit(main())
