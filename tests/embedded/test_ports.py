"""Ports are given to one process at a time, long before anybody listens there."""

import subprocess
import sys

from hookstream.embedded.ports import free_port, free_run

TRY = """
from hookstream.embedded import ports
print([ports._reserved(range(port, port + 1)) for port in ({0}, {1})])
"""


def test_a_port_that_was_given_is_given_to_nobody_else() -> None:
    given = free_run(10)
    assert free_port() not in given
    code = TRY.format(given[0], given[-1])
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == "[False, False]"
