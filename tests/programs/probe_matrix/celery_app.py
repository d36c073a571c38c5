import os
import subprocess
import sys

import celery
import guest
import http_server

where = {name: os.path.abspath("messages") for name in ("data_folder_in", "data_folder_out")}
os.makedirs("messages", exist_ok=True)
app = celery.Celery("app", broker="filesystem://", backend="file://" + os.path.abspath("messages"))
app.conf.broker_transport_options = where


@app.task
def work(path):
    return guest.handle(path).decode()


if __name__ == "__main__":
    subprocess.Popen(
        [sys.executable, *["-m", "celery", "-A", "app", "worker", "-P", "prefork", "-c", "1"]]
    )
    from app import work

    http_server.handle = lambda path: work.delay(path).get(timeout=20).encode()
    http_server.serve()
