import multiprocessing
import sys

import guest
import http_server

if __name__ == "__main__":
    pool = multiprocessing.get_context(sys.argv[2]).Pool(1)
    http_server.handle = lambda path: pool.apply(guest.handle, [path])
    http_server.serve()
