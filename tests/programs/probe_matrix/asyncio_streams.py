import asyncio
import sys

import guest


async def answer(reader, writer):
    path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
    writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + guest.handle(path))
    await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()


asyncio.run(main())
