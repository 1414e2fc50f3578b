"""The init of one plugin."""

from __future__ import annotations

import functools
import reprlib
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from lamina.errdefs import LeftBehind, PluginBlocked, PluginFailed, SkipPlugin
from lamina.plugin._close import close_late
from lamina.plugin._context import InitContext
from lamina.plugin._contract import Contract
from lamina.plugin._deadline import call_within
from lamina.plugin._location import Location, Owner, unwrapped
from lamina.plugin._plugins import Meta, Plugin, PluginSet, Status, blocked_by, may_go, most_hopeful
from lamina.plugin._readiness import Readiness
from lamina.plugin._registration import Registration, is_text
from lamina.plugin._types import EVERY_TYPE, PROPERTY_ROOT_DIR, PROPERTY_STATE_DIR


@attrs.frozen
class _Outcome:
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
    root: Path,
    state: Path,
    plugins: PluginSet,
    readiness: Readiness,
    properties: Mapping[str, str] | None = None,
    listening: object = None,
    contract: Contract | None = None,
    seconds: float | None = None,
) -> Plugin:
    """Initialise one plugin. Whatever its init does, the outcome is a record; only KeyboardInterrupt passes.

    With a deadline, init runs in a daemon thread. One that does not end in time is left behind there: its
    context refuses all look-ups from then on, and what it returns at last is closed.

    Args:
        registration: What to initialise.
        config: Its decoded configuration, or None where it has no `config`.
        root: The host's root directory; the plugin is given `<root>/<URI>`.
        state: The host's state directory; the plugin is given `<state>/<URI>`.
        plugins: Those initialised before it, all that it requires among them. The record is not added.
        readiness: Where `register_readiness` registers. A plugin that registered and is not OK
            (`Plugin.registered_readiness`) is fatal for a host, which could never become ready.
        properties: Further properties of the init context.
        listening: What the registration's `listen` returned.
        contract: The contract of the plugin's type; None: what init returns need have no particular member.
        seconds: How long init may take. None: as long as it takes, in the calling thread.

    Returns:
        The record. OK: the instance is what init returned. SKIPPED: init raised `SkipPlugin`. BLOCKED: a
        required type has no plugin that works (init is not called then, but see
        `Registration.late_binding`), or init let a look-up's `PluginFailed` pass. FAILED: any other exception,
        `SystemExit` included; an instance or meta that is not what its users rely on; or a deadline that passed
        (`LeftBehind`).
    """
    uri = registration.uri
    context: InitContext[Any] = InitContext(
        uri=uri,
        config=config,
        root=root / uri,
        state=state / uri,
        properties={
            **(properties or {}),
            PROPERTY_ROOT_DIR: str(root / uri),
            PROPERTY_STATE_DIR: str(state / uri),
        },
        listening=listening,
        plugins=plugins,
        readiness=readiness,
    )
    started = time.perf_counter()
    outcome = _blocked_by_requires(registration, plugins) or _run_within(
        seconds, registration, context, functools.partial(_run, registration, context, plugins, contract)
    )
    took = time.perf_counter() - started
    meta = context.meta
    if isinstance(outcome.error, LeftBehind):
        meta = Meta()  # it may still write into the other one
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


def foresee(registration: Registration[Any], plugins: PluginSet) -> Plugin:
    """The record that `initialise` would make if init worked: BLOCKED, or else OK. Nothing is initialised.

    Args:
        registration: What is not initialised.
        plugins: The records of those before it.
    """
    return _record(registration, _blocked_by_requires(registration, plugins) or _Outcome(Status.OK))


def _record(registration: Registration[Any], outcome: _Outcome, **fields: Any) -> Plugin:
    return Plugin(
        type=registration.type,
        id=registration.id,
        requires=registration.requires,
        distribution=registration.distribution,
        **attrs.asdict(outcome, recurse=False),
        **fields,
    )


def _blocked_by_requires(registration: Registration[Any], plugins: PluginSet) -> _Outcome | None:
    """The outcome where a required type has no plugin that works."""
    for required in registration.requires:
        providers = plugins.of_type(required)
        if required == EVERY_TYPE or any(provider.status is Status.OK for provider in providers):
            continue
        if not providers:
            return _Outcome(Status.BLOCKED, error=PluginBlocked(f"no plugin provides {required}"))
        broken = [provider for provider in providers if provider.status is not Status.SKIPPED]
        blocker = most_hopeful(broken or providers)
        if not (registration.late_binding and blocker.retrying):
            return _blocked(blocker)
    return None


def _run_within(
    seconds: float | None,
    registration: Registration[Any],
    context: InitContext[Any],
    run: Callable[[], _Outcome],
) -> _Outcome:
    def close(outcome: _Outcome) -> None:
        if outcome.instance is not None:
            close_late(registration.type, registration.id, outcome.instance)

    try:
        return call_within(seconds, "init", registration.uri, run, close)
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
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a plugin may raise what it likes, SystemExit too
        # The traceback keeps its lines, but not the locals: files and locks of such an init are let go.
        traceback.clear_frames(error.__traceback__)
        if isinstance(error, SkipPlugin):
            return _Outcome(Status.SKIPPED, error=error)
        blocker = _looked_up(error, plugins)
        if blocker:
            return _blocked(blocker)
        location = _owner(registration).raised(error)
        return _Outcome(Status.FAILED, error=error, retrying=may_go(error), location=location)
    if problem:
        return _refused(registration, instance, problem)
    return _Outcome(Status.OK, instance)


def _refused(registration: Registration[Any], instance: object, problem: str) -> _Outcome:
    """The outcome of an init that raised nothing and did not do what it must."""
    location = _owner(registration).defined(registration.init)
    return _Outcome(Status.FAILED, instance, PluginFailed(problem), location=location)


def _owner(registration: Registration[Any]) -> Owner:
    module = registration.module or getattr(unwrapped(registration.init), "__module__", "")
    return Owner(registration.distribution, str(module))


def _looked_up(error: BaseException, plugins: PluginSet) -> Plugin | None:
    """The plugin whose failure a look-up reported with this error: it chains that plugin's very own."""
    if not isinstance(error, PluginFailed | PluginBlocked) or error.__cause__ is None:
        return None
    return next((plugin for plugin in plugins if plugin.error is error.__cause__), None)


def _blocked(blocker: Plugin) -> _Outcome:
    error = blocked_by(blocker)
    return _Outcome(Status.BLOCKED, error=error, blocked_by=blocker, retrying=blocker.retrying)


def _wrong_instance(registration: Registration[Any], instance: object, contract: Contract | None) -> str:
    """What is wrong with what init returned, or ""."""
    if instance is None:
        return "init returned None: it must return the plugin's instance"
    expected = (contract.members if contract else ()) + (("reconfigure",) if registration.live else ())
    if expected and isinstance(instance, type):
        return f"init returned the class {instance.__name__}: it must return an instance"
    missing = [name for name in expected if not hasattr(instance, name)]
    if missing:
        return f"init returned the wrong type: {type(instance).__name__} lacks {', '.join(missing)}"
    return ""


def _wrong_meta(meta: object) -> str:
    """What is wrong with what init wrote into its meta, or "". Everybody who lists plugins reads it."""
    if not isinstance(meta, Meta):
        return f"meta must be a Meta, not {reprlib.repr(meta)}"
    if not _is_dict_of_strings(meta.exports):
        return f"meta.exports must be a dict of UTF-8 strings, not {reprlib.repr(meta.exports)}"
    for name in ("platforms", "capabilities"):
        value = getattr(meta, name)
        if not _is_list_of_strings(value):
            return f"meta.{name} must be a list of UTF-8 strings, not {reprlib.repr(value)}"
    return ""


def _is_dict_of_strings(value: object) -> bool:
    return isinstance(value, dict) and _is_list_of_strings([*value, *value.values()])


def _is_list_of_strings(value: object) -> bool:
    return isinstance(value, list) and all(map(is_text, value))
