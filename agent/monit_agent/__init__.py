"""monit without its screen.

Rooms, in the order to read them:

* ``wire``       messages, topics, codec and limits; no I/O
* ``supervise``  decisions: state and event in, state and actions out; pure
* ``keeper``     the supervisor process: forks, waits, holds sockets and log files
* ``foreground`` `monit run`: keepers in the foreground, for containers
* ``agent``      the process that samples, follows logs, publishes and answers
* ``client``     finds agents, sends requests, keeps what they publish
* ``replay``     scenes replayed through the real decisions, without processes
* ``config``     what a user wrote, checked and made into an app's spec
* ``cli``        the command line: one verb a file
* ``probe``      runs inside other people's programs; stands alone
* ``demo``       a small real app and its load; stands alone
"""

__version__ = "0.1.0"
