"""monit's side without a terminal.

Rooms, in the order to read them:

* ``wire``       the words: messages, topics, file names, limits
* ``supervise``  the decisions: state and event to state and actions, pure
* ``keep``       the keeper: the only code that forks, waits and holds log files
* ``observe``    the agent: samples, follows logs, publishes, answers
* ``client``     how a client finds agents, asks them and folds what they say
* ``config``     what a user wrote, made into an app's spec
* ``cli``        one verb a file
* ``probe``      what is put into other people's programs; stands alone
* ``demo``       a small real app and its load; stands alone
"""

__version__ = "0.1.0"
