"""A dramatiq worker's module; run as a script it queues the job."""

import dramatiq
import job
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

dramatiq.set_broker(RedisBroker(client=Redis(unix_socket_path="redis.sock")))


@dramatiq.actor
def work() -> None:
    job.run()


if __name__ == "__main__":
    from dramatiq_job import work as actor

    actor.send()
