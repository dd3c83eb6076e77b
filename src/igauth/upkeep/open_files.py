"""How many files and connections the process may have open at once (POSIX, `getrlimit`)."""

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

WANTED = 65_536
FEWEST = 4_096
"""With fewer, some thousand idle browsers shut everybody out."""


def reachable_limit() -> int:
    """What `raise_limit` comes to."""
    if resource is None:
        return WANTED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    return most if soft == resource.RLIM_INFINITY else max(soft, most)


def raise_limit() -> None:
    """Raises the soft limit as far as this process may. Leaves it where that is refused."""
    if resource is None:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable_limit(), hard))
    except (OSError, ValueError):  # macOS has a limit below the one that it tells
        return
