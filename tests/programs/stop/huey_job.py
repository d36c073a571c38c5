"""A huey consumer's module; run as a script it queues the job."""

import job
from huey import FileHuey

queue = FileHuey(path="queue")


@queue.task()
def work() -> None:
    job.run()


if __name__ == "__main__":
    from huey_job import work as task

    task()
