"""Authentication to registries: challenges, tokens, basic authentication."""

from lamina.registry.authentication._authorizer import Authorizer, Scopes
from lamina.registry.authentication._challenges import Challenge, parse_challenges

__all__ = ["Authorizer", "Challenge", "Scopes", "parse_challenges"]
