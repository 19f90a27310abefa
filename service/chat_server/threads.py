"""Native threads beside the hub: they all run from the start."""

from __future__ import annotations

from gevent.threadpool import ThreadPool


def running_pool(threads: int) -> ThreadPool:
    """A pool of so many threads. Where there is no memory for them, that shows now, and not in the first request.

    Raises MemoryError.
    """
    pool = ThreadPool(threads)
    try:
        pool.size = threads
    except RuntimeError as error:  # "can't start new thread"
        raise MemoryError(str(error)) from None
    return pool
