"""How facts look as text: one module per kind of fact, each giving lines that are safe to print."""
