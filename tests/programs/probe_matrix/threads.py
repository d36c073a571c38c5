import http_server

http_server.serve()
