"""Settings for commands: a wrong one ends the command with its name, not with a traceback."""

import os
import sys
from typing import TypeVar

from pydantic import BaseModel

from hookstream.process.settings import Environment, SettingsError
from services.cli.settings import known

Group = TypeVar("Group", bound=BaseModel)
WRONG_SETTINGS = 2


def read(group: type[Group]) -> Group:
    """The group, filled from the environment. Ends the process if the environment is wrong."""
    try:
        return Environment(os.environ, known()).read(group)
    except SettingsError as error:
        sys.stderr.write(f"wrong settings\n{error}\n")
        sys.exit(WRONG_SETTINGS)
