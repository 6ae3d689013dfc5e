"""lit-reason: published methods about how language models learn, reason and decide, in one Lightning framework."""
