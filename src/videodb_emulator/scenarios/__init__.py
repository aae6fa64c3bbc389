"""The sessions that come with the emulator, one JSON file each; `files` finds and reads them."""
