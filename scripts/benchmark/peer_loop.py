"""How the file is read by hand: the alerts, by a loop over the parsed lines.

    python peer_loop.py FILE

The loop that people are told to write asks for three things and keeps what it finds in lists. Here it asks for the
channel only and lets go of each line at once: less than this such a loop cannot cost.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(path: Path) -> None:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if event.get("channel") == "alert":
                sys.stdout.write(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
