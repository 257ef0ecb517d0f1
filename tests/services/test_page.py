"""docs/services.md: its table is that of the tests with real daemons."""

from __future__ import annotations

from daemons import DAEMONS
from report import BEGIN, END, PAGE, targets


def test_the_table_has_the_services_that_are_tried_and_names_the_others() -> None:
    table = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    assert rows[1:] == sorted(daemon.target for daemon in DAEMONS)
    others = table.partition("With stand-ins only: ")[2].rstrip(".\n").split(", ")
    assert others == sorted(set(targets()) - set(rows))
