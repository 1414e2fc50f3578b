from __future__ import annotations

import errno
import inspect
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from lamina import errdefs
from lamina.errdefs import Code, Error, from_os_error, from_status, is_interrupt, message, to_status

CLASSES = [cls for _, cls in inspect.getmembers(errdefs, inspect.isclass) if issubclass(cls, Error)]
WIRE = [
    errdefs.Aborted,
    errdefs.AlreadyExists,
    errdefs.Canceled,
    errdefs.Conflict,
    errdefs.DataLoss,
    errdefs.DeadlineExceeded,
    errdefs.FailedPrecondition,
    errdefs.Internal,
    errdefs.InvalidArgument,
    errdefs.NotFound,
    errdefs.NotModified,
    errdefs.OutOfRange,
    errdefs.PermissionDenied,
    errdefs.ResourceExhausted,
    errdefs.Unauthenticated,
    errdefs.Unavailable,
    errdefs.Unimplemented,
    errdefs.Unknown,
]


@pytest.mark.parametrize("cls", WIRE)
@pytest.mark.parametrize("message", ["", "snapshot x", "a: b: c"])
def test_a_class_of_containerds_survives_the_wire(cls: type[Error], message: str) -> None:
    found = from_status(*to_status(cls(message)))
    assert type(found) is cls
    assert str(found) == message


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_becomes_its_own_code(cls: type[Error]) -> None:
    code, message = to_status(cls("why"))
    assert code is cls.code
    assert message.startswith("why")


def test_a_message_carries_the_class_text_once() -> None:
    assert to_status(errdefs.NotFound("snapshot x: not found")) == (Code.NOT_FOUND, "snapshot x: not found")
    assert to_status(errdefs.NotFound("snapshot x")) == (Code.NOT_FOUND, "snapshot x: not found")


def test_a_skip_is_distinguished_from_an_error_by_its_text() -> None:
    assert to_status(errdefs.SkipPlugin("no overlayfs")) == (Code.UNKNOWN, "no overlayfs: skip plugin")


def test_a_foreign_exception_is_unknown_and_keeps_its_class() -> None:
    assert to_status(KeyError("k")) == (Code.UNKNOWN, "KeyError: 'k'")


@pytest.mark.parametrize("code", [0, 17, 99])
def test_an_invalid_code_becomes_unknown(code: int) -> None:
    assert type(from_status(code, "what")) is errdefs.Unknown


@pytest.mark.parametrize(
    ("number", "cls"),
    [
        (errno.ENOSPC, errdefs.ResourceExhausted),
        (errno.EACCES, errdefs.PermissionDenied),
        (errno.ENOENT, errdefs.NotFound),
        (errno.EIO, errdefs.DataLoss),
        (errno.ERANGE, errdefs.Unknown),
    ],
)
def test_a_failed_system_call_names_operation_path_and_reason(number: int, cls: type[Error]) -> None:
    found = from_os_error(OSError(number, os.strerror(number), "/there"), "make it")
    assert type(found) is cls
    assert str(found) == f"make it: /there: {os.strerror(number)}"


def test_a_failed_system_call_without_a_path_names_operation_and_reason() -> None:
    assert str(from_os_error(OSError(errno.EIO, "Input/output error"), "read")) == "read: Input/output error"


@pytest.mark.parametrize(("number", "remedy"), [(errno.ENOTDIR, "; use another"), (errno.ENOSPC, "")])
def test_another_path_is_a_remedy_for_what_is_wrong_with_the_path_only(number: int, remedy: str) -> None:
    found = from_os_error(OSError(number, os.strerror(number), "/there"), "make it", "use another")
    assert str(found) == f"make it: /there: {os.strerror(number)}{remedy}"


@pytest.mark.parametrize("raised", [RuntimeError, SystemExit])
@pytest.mark.parametrize("base", [errdefs.NotFound, ValueError])
def test_an_error_whose_text_cannot_be_read_still_has_a_message_and_a_status(
    base: type[Exception], raised: type[BaseException]
) -> None:
    class Mute(base):
        def __str__(self) -> str:
            raise raised

    assert message(Mute()) == "<Mute whose text cannot be read>"
    assert "<Mute whose text cannot be read>" in to_status(Mute())[1]


def test_a_long_message_loses_its_middle() -> None:
    found = message(ValueError("begin" + 10_000_000 * "x" + "end"))
    assert (found[:6], found[-4:], len(found)) == ("beginx", "xend", 65_541)


def test_an_interrupt_is_raised_in_the_main_thread_alone() -> None:
    assert is_interrupt(KeyboardInterrupt())
    assert not is_interrupt(SystemExit())
    with ThreadPoolExecutor() as threads:
        assert not threads.submit(is_interrupt, KeyboardInterrupt()).result()
