"""http_threads.py KIND URL COUNT CONCURRENCY: what bench/http.lua does, by as many threads
with a connection each."""
# SPDX-License-Identifier: MIT
import http.client
import itertools
import sys
import threading
import urllib.parse

from measure import Measure

kind, url, count, concurrency = sys.argv[1], urllib.parse.urlsplit(sys.argv[2]), \
    int(sys.argv[3]), int(sys.argv[4])
body = "x" * 2048 if kind == "post" else None
numbers = itertools.count()
done = []


def work():
    connection = http.client.HTTPConnection(url.netloc)
    while next(numbers) < count:
        connection.request(kind.upper(), url.path, body)
        response = connection.getresponse()
        assert response.status == 200 and response.read()
        done.append(1)


with Measure():
    threads = [threading.Thread(target=work) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
assert len(done) == count, "a request failed"
