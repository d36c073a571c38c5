"""Queues the job for an RQ worker."""

import job
from redis import Redis
from rq import Queue

if __name__ == "__main__":
    Queue(connection=Redis(unix_socket_path="redis.sock")).enqueue(job.run)
