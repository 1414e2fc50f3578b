"""Initialisation of one plugin."""

from __future__ import annotations

import functools
import os
import reprlib
import time
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from lamina.errdefs import LeftBehind, PluginBlocked, PluginFailed, SkipPlugin, is_interrupt
from lamina.plugin._contract import Contract
from lamina.plugin._plugins import Meta, Plugin, PluginSet, Status, blocked_by, first_retrying, is_retryable
from lamina.plugin._registration import Registration, is_dict_of_strings, is_text
from lamina.plugin._types import EVERY_TYPE, PROPERTY_ROOT_DIR, PROPERTY_STATE_DIR
from lamina.plugin.lifecycle._close import close_late
from lamina.plugin.lifecycle._context import InitContext
from lamina.plugin.lifecycle._deadline import Worker, call_within
from lamina.plugin.lifecycle._location import Location, Owner, unwrapped
from lamina.plugin.lifecycle._readiness import Readiness

_MAX_META: Final = 65_536
"""Characters in the meta of a plugin, so that one plugin cannot make a listing of all too long."""


class _Outcome(NamedTuple):
    status: Status
    instance: Any = None
    error: BaseException | None = None
    blocked_by: Plugin | None = None
    retrying: bool = False
    location: Location | None = None


def initialise(
    registration: Registration[Any],
    *,
    config: object,
    root: str | os.PathLike[str],
    state: str | os.PathLike[str],
    plugins: PluginSet,
    readiness: Readiness,
    properties: Mapping[str, str] | None = None,
    listening: object = None,
    contract: Contract | None = None,
    seconds: float | None = None,
    worker: Worker | None = None,
) -> Plugin:
    """Initialise one plugin and return its record. Exceptions of init are recorded, except Ctrl-C.

    With a deadline, init runs in a daemon thread. An init that misses the deadline is left behind there: its
    context refuses look-ups from then on, and the instance that it finally returns is closed.

    Args:
        registration: The plugin.
        config: Its decoded configuration, or None if the registration has no `config`.
        root: The host's root directory; the plugin gets `<root>/<URI>`.
        state: The host's state directory; the plugin gets `<state>/<URI>`.
        plugins: The plugins initialised so far, including all that this one requires. The record is not added.
        readiness: Used by `register_readiness`. A plugin that called it and does not work
            (`Plugin.registered_readiness`) must stop the host, which could never become ready.
        properties: Additional properties of the init context.
        listening: The result of the registration's `listen`.
        contract: The contract of the plugin's type, or None.
        seconds: The deadline of init, in seconds. None: no deadline, in this thread.
        worker: Calls init, if there is a deadline. None: a worker of its own.

    Returns:
        The record. OK: init returned an instance. SKIPPED: init raised `SkipPlugin`. BLOCKED: no plugin of a
        required type works (init is not called then, unless `Registration.late_binding` is set), or init raised
        the `PluginFailed` of a look-up. FAILED: init raised another exception, even `SystemExit`; missed its
        deadline (`LeftBehind`); or returned an instance that violates the contract, or a malformed meta.
    """
    uri = registration.uri
    context: InitContext[Any] = InitContext(
        uri=uri,
        config=config,
        properties={
            **(properties or {}),
            PROPERTY_ROOT_DIR: os.path.join(root, uri),
            PROPERTY_STATE_DIR: os.path.join(state, uri),
        },
        listening=listening,
        plugins=plugins,
        readiness=readiness,
    )
    started = time.perf_counter()
    outcome = _blocked_by_requires(registration, plugins) or _run_within(
        seconds, worker, registration, context, functools.partial(_run, registration, context, plugins, contract)
    )
    took = time.perf_counter() - started
    meta = context.meta
    if isinstance(outcome.error, LeftBehind):
        meta = Meta()  # the init may still write to the other one
    elif problem := _wrong_meta(meta):
        meta = Meta()
        if outcome.status is Status.OK:
            outcome = _refused(registration, outcome.instance, problem)
    return _record(
        registration,
        outcome,
        meta=meta,
        registered_readiness=context.registered_readiness,
        seconds=took,
    )


def predict(registration: Registration[Any], plugins: PluginSet) -> Plugin:
    """Return the record that `initialise` would return if init succeeded: BLOCKED or OK.

    Args:
        registration: The plugin, which is not initialised.
        plugins: The records of the plugins before it.
    """
    return _record(registration, _blocked_by_requires(registration, plugins) or _Outcome(Status.OK))


def _record(registration: Registration[Any], outcome: _Outcome, **fields: Any) -> Plugin:
    return registration.record(**outcome._asdict(), **fields)


def _blocked_by_requires(registration: Registration[Any], plugins: PluginSet) -> _Outcome | None:
    """Return the outcome BLOCKED if no plugin of a required type works."""
    for required in registration.requires:
        providers = plugins.of_type(required)
        if required == EVERY_TYPE or any(provider.status is Status.OK for provider in providers):
            continue
        if not providers:
            return _Outcome(Status.BLOCKED, error=PluginBlocked(f"no plugin provides {required}"))
        broken = [provider for provider in providers if provider.status is not Status.SKIPPED]
        blocker = first_retrying(broken or providers)
        if not (registration.late_binding and blocker.retrying):
            return _blocked(blocker)
    return None


def _run_within(
    seconds: float | None,
    worker: Worker | None,
    registration: Registration[Any],
    context: InitContext[Any],
    run: Callable[[], _Outcome],
) -> _Outcome:
    def close(outcome: _Outcome) -> None:
        if outcome.instance is not None:
            close_late(registration.type, registration.id, outcome.instance)

    try:
        call = call_within if worker is None else worker.call_within
        return call(seconds, "init", registration.uri, run, close)
    except LeftBehind as error:
        context.revoke()
        return _Outcome(Status.FAILED, error=error, location=_owner(registration).running(error.thread))
    except RuntimeError as error:  # no thread could be started
        return _Outcome(Status.FAILED, error=error, retrying=True)
    except KeyboardInterrupt:
        context.revoke()
        raise


def _run(
    registration: Registration[Any],
    context: InitContext[Any],
    plugins: PluginSet,
    contract: Contract | None,
) -> _Outcome:
    try:
        instance = registration.init(context)
        problem = _wrong_instance(registration, instance, contract)
    except BaseException as error:
        if is_interrupt(error):
            raise
        # Clear the locals, so that files and locks of this init are released. The line numbers stay.
        traceback.clear_frames(error.__traceback__)
        if isinstance(error, SkipPlugin):
            return _Outcome(Status.SKIPPED, error=error)
        blocker = _looked_up(error, plugins)
        if blocker:
            return _blocked(blocker)
        location = _owner(registration).raised(error)
        return _Outcome(Status.FAILED, error=error, retrying=is_retryable(error), location=location)
    if problem:
        return _refused(registration, instance, problem)
    return _Outcome(Status.OK, instance)


def _refused(registration: Registration[Any], instance: object, problem: str) -> _Outcome:
    """Return the outcome FAILED of an init that returned, but violated a rule."""
    location = _owner(registration).defined(registration.init)
    return _Outcome(Status.FAILED, instance, PluginFailed(problem), location=location)


def _owner(registration: Registration[Any]) -> Owner:
    module = registration.module or getattr(unwrapped(registration.init), "__module__", "")
    return Owner(registration.distribution, str(module))


def _looked_up(error: BaseException, plugins: PluginSet) -> Plugin | None:
    """Return the plugin whose failure a look-up raised: the cause of the error is that plugin's error."""
    if not isinstance(error, PluginFailed | PluginBlocked) or error.__cause__ is None:
        return None
    return next((plugin for plugin in plugins if plugin.error is error.__cause__), None)


def _blocked(blocker: Plugin) -> _Outcome:
    error = blocked_by(blocker)
    return _Outcome(Status.BLOCKED, error=error, blocked_by=blocker, retrying=blocker.retrying)


def _wrong_instance(registration: Registration[Any], instance: object, contract: Contract | None) -> str:
    """Return what is wrong with the instance, or ""."""
    if instance is None:
        return "init returned None: it must return the plugin's instance"
    if isinstance(instance, types.CoroutineType | types.GeneratorType | types.AsyncGeneratorType):
        return f"init returned a {type(instance).__name__}: it must be a function without async and yield"
    expected = (contract.members if contract else ()) + (("reconfigure",) if registration.live else ())
    if expected and isinstance(instance, type):
        return f"init returned the class {instance.__name__}: it must return an instance"
    missing = [name for name in expected if not hasattr(instance, name)]
    if missing:
        return f"init returned the wrong type: {type(instance).__name__} lacks {', '.join(missing)}"
    return ""


def _wrong_meta(meta: object) -> str:
    """Return what is wrong with the meta, or "". Every listing of plugins reads it."""
    if not isinstance(meta, Meta):
        return f"meta must be a Meta, not {reprlib.repr(meta)}"
    if not is_dict_of_strings(meta.exports):
        return f"meta.exports must be a dict of UTF-8 strings, not {reprlib.repr(meta.exports)}"
    for name in ("platforms", "capabilities"):
        value = getattr(meta, name)
        if not _is_list_of_strings(value):
            return f"meta.{name} must be a list of UTF-8 strings, not {reprlib.repr(value)}"
    texts = (*meta.exports, *meta.exports.values(), *meta.platforms, *meta.capabilities)
    if sum(map(len, texts)) > _MAX_META:
        return f"meta has more than {_MAX_META:,} characters"
    return ""


def _is_list_of_strings(value: object) -> bool:
    return isinstance(value, list) and all(map(is_text, value))
