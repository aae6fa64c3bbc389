"""Where programs begin: the commands `videodb-listen` and `ws_listener`, and `python -m videodb_listen`."""

from videodb_listen.system import interrupts

interrupts.hear_all()
interrupts.end_at_once()  # before anything takes time to load

from videodb_listen import cli  # noqa: E402  # the handler comes first


def main() -> None:
    """The command `videodb-listen`."""
    try:
        cli.main()
    finally:
        interrupts.end_at_once()


def ws_listener() -> None:
    """The command that people know from the script of that name."""
    try:
        cli.ws_listener()
    finally:
        interrupts.end_at_once()


if __name__ == "__main__":
    main()
