"""Facts of the operating system are known on one floor only. (Who imports what is import-linter's to say.)"""

from pathlib import Path

import videodb_listen

SOURCE = Path(videodb_listen.__file__).parent


def test_nobody_else_knows_of_proc_and_pidfds() -> None:
    code = {path.relative_to(SOURCE).as_posix(): path.read_text("utf-8") for path in SOURCE.glob("**/*.py")}
    knowing = {name for name, text in code.items() if "/proc" in text or "pidfd" in text}
    assert not {name for name in knowing if not name.startswith("system/")}
    assert "system/processes.py" in knowing
