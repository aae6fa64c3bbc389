"""Everything that can go wrong, grouped by what the caller can do about it.

ListenError                        status  code
├── SessionFailed                       1  session_failed        look at its error, start another session
├── CannotStop                          1  cannot_stop           stop it by other means
├── Usage                               2  usage                 another command line
├── NotRunning                          3  not_running           start a listener
├── NotConnected                        4  not_connected         wait
├── RequestRefused                     65  request_refused       ask for something else
├── Unavailable                        69  unavailable           try again later
├── Bug                                70  bug                   report it
├── RecorderFailed                     71  recorder_failed       start the recorder again
├── DirectoryUnusable                  73  directory_unusable    another directory
├── SinkError                          74  io_error              mend the disk
├── Incomplete                         74  incomplete            mend the file, or do without it
├── DirectoryBusy                      75  directory_busy        stop the other listener
├── CredentialsRejected                77  credentials_rejected  another key
├── ConfigurationError                 78  configuration         another setting
└── TimedOut                          124  timed_out             more time

The numbers follow sysexits.h where it has one, and timeout(1) for 124.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

TLS_FIX = "check the server's certificate, this machine's clock and its certificate authorities"


class ListenError(Exception):
    """A failure that the person or program at the shell can act on.

    `message` says what happened, with the value; `fix` says what to do. Both are lower case, with no full stop.
    `http_status` is what the API answered, None when it is not the API's answer that failed.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    retryable: ClassVar[bool] = False
    http_status: int | None = None

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}; {self.fix}"

    @staticmethod
    def from_dict(said: Mapping[str, Any]) -> ListenError:
        """The error whose `as_dict()` another process of ours printed; an unknown code is a Bug."""
        kinds = {kind.code: kind for kind in ListenError.__subclasses__()}
        return kinds.get(said["code"], Bug)(said["error"], fix=said["fix"])

    def as_dict(self) -> dict[str, str | bool]:
        """The shape that `--json` and `--log-format json` print."""
        return {"error": self.message, "code": self.code, "fix": self.fix, "retryable": self.retryable}


class SessionFailed(ListenError):
    """The capture session, or its export, has failed: what was waited for will not come."""

    status, code = 1, "session_failed"


class CannotStop(ListenError):
    """The listener was asked to stop and did not, or may not be asked."""

    status, code = 1, "cannot_stop"


class Usage(ListenError):
    """The command line is wrong."""

    status, code = 2, "usage"


class NotRunning(ListenError):
    """No listener holds the directory."""

    status, code, retryable = 3, "not_running", True


class NotConnected(ListenError):
    """A listener runs, but has no live connection at this moment."""

    status, code, retryable = 4, "not_connected", True


class RequestRefused(ListenError):
    """What was asked for is refused, and would be again: no such session, a field that is wrong, a wrong order."""

    status, code = 65, "request_refused"

    def __init__(self, message: str, *, fix: str = "check the ids and what was asked for") -> None:
        super().__init__(message, fix=fix)


class Unavailable(ListenError):
    """The far side could not be reached or did not behave.

    `retry_after_s` is what the server asked for (seconds), None when it named no time.
    """

    status, code, retryable = 69, "unavailable", True

    def __init__(
        self,
        message: str,
        *,
        fix: str = "check the network and the service, then start again",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, fix=fix)
        self.retry_after_s = retry_after_s


class Bug(ListenError):
    """A bug of ours: any exception that is not in this tree."""

    status, code = 70, "bug"

    @classmethod
    def of(cls, exc: Exception) -> Bug:
        """The bug that `exc` betrays."""
        return cls(
            f"unexpected {type(exc).__name__}: {exc}",
            fix="please report it; run and start say more with --log-level debug",
        )


class RecorderFailed(ListenError):
    """The recorder process could not be started, ended, or refused a command."""

    status, code = 71, "recorder_failed"


class DirectoryUnusable(ListenError):
    """The state directory, or a file in it, cannot be created or cannot be trusted."""

    status, code = 73, "directory_unusable"


class SinkError(ListenError):
    """The events file cannot be written, or the listener ends with lines that are not on disk."""

    status, code = 74, "io_error"


class Incomplete(ListenError):
    """A command has done its work, without what could not be read of the files."""

    status, code = 74, "incomplete"


class DirectoryBusy(ListenError):
    """Another listener owns the directory."""

    status, code = 75, "directory_busy"


class CredentialsRejected(ListenError):
    """The API refused the key (HTTP 401 or 403)."""

    status, code = 77, "credentials_rejected"


class ConfigurationError(ListenError):
    """A setting is missing or wrong: no key, bad URL, unknown collection."""

    status, code = 78, "configuration"


class TimedOut(ListenError):
    """The time that the caller allowed has passed."""

    status, code, retryable = 124, "timed_out", True
