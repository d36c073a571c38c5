import sys

import flask
import guest

app = flask.Flask("app")
app.add_url_rule("/", "all", lambda: guest.handle("/"))
app.add_url_rule("/<path:rest>", "rest", lambda rest: guest.handle("/" + rest))
app.run(port=int(sys.argv[1]))
