"""llm.py URL COUNT: so many streamed chats, one after the other, with what Python has built
in: each event is decoded, and no more."""
# SPDX-License-Identifier: MIT
import http.client
import json
import sys
import urllib.parse

from measure import Measure

url, count = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2])
BODY = json.dumps({"model": "small", "stream": True,
                   "messages": [{"role": "user", "content": "How is the tide?"}]})


def chat():
    connection = http.client.HTTPConnection(url.netloc)
    connection.request("POST", url.path + "/chat/completions", BODY)
    size = 0
    for line in connection.getresponse():
        if line.startswith(b"data: {"):
            choice = json.loads(line[6:])["choices"][0]
            size += len(choice["delta"].get("content", ""))
    assert size > 0, "no answer"


with Measure():
    for _ in range(count):
        chat()
