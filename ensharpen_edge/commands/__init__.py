"""Commands that need more than one stage of the chain. Nothing imports from here."""
