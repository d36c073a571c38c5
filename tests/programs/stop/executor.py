"""A pool of processes whose parent stops it when it gets SIGTERM."""

import concurrent.futures
import signal
import sys

import job


def stop(_number: int, _frame: object) -> None:
    pool.shutdown(wait=True)
    sys.exit(0)


if __name__ == "__main__":
    pool = concurrent.futures.ProcessPoolExecutor(2)
    pool.submit(job.run)
    signal.signal(signal.SIGTERM, stop)
    while True:
        signal.pause()
