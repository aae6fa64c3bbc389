#!/usr/bin/env python3
"""For people who come from the script of this name: the same as `videodb-listen run`, from a checkout or a wheel."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from videodb_listen.__main__ import ws_listener  # the path comes first

ws_listener()
