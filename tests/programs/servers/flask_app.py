import os
import time

import flask

app = flask.Flask(__name__)


@app.get("/")
def at_once():
    return str(os.getpid())


@app.get("/slow")
def slow():
    time.sleep(1)
    return str(os.getpid())


if __name__ == "__main__":
    app.run(port=int(os.environ["TEST_PORT"]))
