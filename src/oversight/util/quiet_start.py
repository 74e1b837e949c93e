"""Ctrl-C while the command's modules are still being imported, which takes a second or two.

Importing this has the command end without a traceback until it handles signals itself; in other programs, which keep
their own handler, it does nothing.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

__all__: list[str] = []

_COMMAND = "oversight"

if Path((sys.argv or [""])[0]).name == _COMMAND and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
