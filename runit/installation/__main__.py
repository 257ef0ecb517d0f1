"""Refuse an interpreter that is too old in words, not with a traceback."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (this line is for those)
    version = ".".join(str(number) for number in sys.version_info[:2])
    sys.stderr.write(
        f"install: fatal: {sys.executable} is Python {version}: 3.11 or newer is needed (PYTHON=)\n"
    )
    sys.exit(1)

from runit.installation.command import main

sys.exit(main())
