"""A Flask app with a function that takes the CPU, one that waits, and one that leaks."""

import os
import time

import flask

app = flask.Flask(__name__)
SEEN: list[str] = []


def crunch(rounds: int) -> int:
    total = 0
    for number in range(rounds):
        total += number * number % 7
    return total


def wait_for_database() -> None:
    time.sleep(0.02)


@app.get("/hog")
def hog() -> str:
    return str(crunch(400_000))


@app.get("/wait")
def wait() -> str:
    wait_for_database()
    return "done"


@app.get("/leak")
def leak() -> str:
    SEEN.extend(str(number) for number in range(2_000))
    return str(len(SEEN))


app.run(port=int(os.environ["PORT"]))
