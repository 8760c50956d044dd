"""The outermost ring: runs and wires everything, and is imported by nobody."""
