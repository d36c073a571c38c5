"""A Celery worker with a pool of processes; run as a script it queues the job."""

import job
from celery import Celery

app = Celery("celery_job", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "queue",
}  # fmt: skip


@app.task
def work() -> None:
    job.run()


if __name__ == "__main__":
    from celery_job import work as task

    task.delay()
