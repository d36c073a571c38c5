import asyncio
import os
import threading

import monit_probe

orders = monit_probe.counter("orders", unit="loaves")
queue = monit_probe.gauge("queue", 3, agg="sum")
baking = monit_probe.histogram("baking", unit="ms")
monit_probe.gauge("mode", "night")


@monit_probe.action("join", help="Join words.")
def join(*words):
    orders.inc(len(words))
    return {"instance": os.environ["MONIT_INSTANCE"], "words": words}


@monit_probe.action("burn")
def burn():
    raise ValueError("too hot \x1b[2J")


@monit_probe.action("hang")
def hang():
    threading.Event().wait()


@monit_probe.action("half")
def half():
    if os.environ["MONIT_INSTANCE"] == "1":
        raise RuntimeError("not here")


async def main():
    loop = asyncio.get_running_loop()

    @monit_probe.action("later")
    async def later():
        await asyncio.sleep(0.05)
        return asyncio.get_running_loop() is loop

    while True:
        await asyncio.sleep(0.05)
        baking.observe(4)
        orders.inc()


asyncio.run(main())
