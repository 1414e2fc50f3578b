"""What attackers do."""
