"""Redis pub/sub as the bell behind live pages. What happened is in the store; the bell only says: look now."""
