"""The command line: one sub-command, one public call.

What is wrong with the input is one sentence and exit code 2. Nothing heavy is imported before a command runs.
"""

from . import neurons as neurons
from . import training as training
from .commands import main as main
from .program import app as app

__all__ = ["app", "main"]
