"""`python -m videodb_listen` is the command `videodb-listen`."""

from videodb_listen.cli import main

main()
