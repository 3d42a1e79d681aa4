"""Where records begin and end in a stream of bytes: one answer for the service and the workers.

The service cuts an object into parts with it, the workers read the parts with it, so both always
see the same records. No I/O here.
"""
