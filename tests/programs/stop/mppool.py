"""The same with multiprocessing's own pool."""

import multiprocessing
import signal
import sys

import job


def stop(_number: int, _frame: object) -> None:
    pool.close()
    pool.join()
    sys.exit(0)


if __name__ == "__main__":
    pool = multiprocessing.Pool(2)
    pool.apply_async(job.run)
    signal.signal(signal.SIGTERM, stop)
    while True:
        signal.pause()
