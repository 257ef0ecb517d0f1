"""Where things are: decided at install time, read from here and nowhere else.

These are the values of a plain ``pip install``.  ``make install`` writes the
installed copy of this module anew, with the directories that it was given.
Bytes, because paths are bytes to everything that uses them.
"""

from __future__ import annotations

SYSCONFDIR = b"/etc"
RUNDIR = b"/run"

RUNIT = SYSCONFDIR + b"/runit"
RUNSVDIR = RUNIT + b"/runsvdir"
SERVICE = SYSCONFDIR + b"/service"
