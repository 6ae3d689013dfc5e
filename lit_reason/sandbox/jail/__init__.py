"""What runs outside lit-reason's own process: the zygote, its walls, and the harness around one untrusted program.

The zygote imports this package alone, as `jail`, into a bare interpreter: it must need nothing but the standard
library and use relative imports only. The parent's side imports it as `lit_reason.sandbox.jail` for the wire
protocol.
"""
