"""The plugin framework: discovery, registration, dependency order, initialisation, look-up and closing.

A package declares an entry point in the group `lamina.plugins` that names a module, which contains:

    @hookimpl
    def lamina_register() -> Iterable[Registration[Any]]:
        return [Registration(type="com.example.clock.v1", id="local", config=ClockConfig, init=init_clock)]

A host calls `discover`, creates a `Plan`, and carries it out with `initialise`; when it stops, it calls
`close_all`. `Plan.dry_run` predicts the outcome without initialising anything.
"""

from typing import TYPE_CHECKING

from lamina.errdefs import SkipPlugin
from lamina.lazy import lazy_exports
from lamina.plugin._contract import Contract, Server
from lamina.plugin._hooks import hookimpl, hookspec, notify
from lamina.plugin._plan import DryRun, Plan
from lamina.plugin._platform import host_platform
from lamina.plugin._plugins import Instances, Meta, Plugin, PluginSet, Status, is_retryable
from lamina.plugin._proxy import ProxyType
from lamina.plugin._registration import Registration
from lamina.plugin._registry import Registry
from lamina.plugin._types import (
    ENTRY_POINT_TYPE,
    EVERY_TYPE,
    PROPERTY_GRPC_ADDRESS,
    PROPERTY_ROOT_DIR,
    PROPERTY_STATE_DIR,
    PROPERTY_TTRPC_ADDRESS,
    SERVING_TYPES,
    PluginType,
)
from lamina.plugin.discovery._discover import ENTRY_POINT_GROUP, Discovery, discover
from lamina.plugin.discovery._distributions import Distribution, distribution
from lamina.plugin.lifecycle._close import close_all
from lamina.plugin.lifecycle._context import InitContext
from lamina.plugin.lifecycle._deadline import Worker, call_within
from lamina.plugin.lifecycle._init import initialise
from lamina.plugin.lifecycle._location import Location
from lamina.plugin.lifecycle._readiness import Readiness

if TYPE_CHECKING:
    from lamina.plugin.findings._diagnose import diagnose
    from lamina.plugin.findings._finding import DiagnoseContext, Finding, Repair, Verdict

__all__ = [
    "ENTRY_POINT_GROUP",
    "ENTRY_POINT_TYPE",
    "EVERY_TYPE",
    "PROPERTY_GRPC_ADDRESS",
    "PROPERTY_ROOT_DIR",
    "PROPERTY_STATE_DIR",
    "PROPERTY_TTRPC_ADDRESS",
    "SERVING_TYPES",
    "Contract",
    "DiagnoseContext",
    "Discovery",
    "Distribution",
    "DryRun",
    "Finding",
    "InitContext",
    "Instances",
    "Location",
    "Meta",
    "Plan",
    "Plugin",
    "PluginSet",
    "PluginType",
    "ProxyType",
    "Readiness",
    "Registration",
    "Registry",
    "Repair",
    "Server",
    "SkipPlugin",
    "Status",
    "Verdict",
    "Worker",
    "call_within",
    "close_all",
    "diagnose",
    "discover",
    "distribution",
    "hookimpl",
    "hookspec",
    "host_platform",
    "initialise",
    "is_retryable",
    "notify",
]

__getattr__ = lazy_exports(
    __name__, {"findings._diagnose": "diagnose", "findings._finding": "DiagnoseContext Finding Repair Verdict"}
)
