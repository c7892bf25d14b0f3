"""libcurl through the gateway as an HTTPS proxy over HTTP/2. Says what it saw as JSON; judges nothing.

The command of Debian 12 cannot do this (`--proxy-http2` came with curl 8.1), the libcurl that pycurl brings can.
"""

import argparse
import io
import json
import re

import pycurl

CURLPROXY_HTTPS2 = 3

parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["get", "post"])
parser.add_argument("--gateway", required=True)
parser.add_argument("--root", required=True)
parser.add_argument("--certificate")
parser.add_argument("--key")
parser.add_argument("--target", required=True)
options = parser.parse_args()

host, port = options.gateway.rsplit(":", 1)
body, said = io.BytesIO(), []
curl = pycurl.Curl()
curl.setopt(pycurl.URL, f"http://{options.target}/")
curl.setopt(pycurl.PROXY, f"https://localhost:{port}")
curl.setopt(pycurl.PROXYTYPE, CURLPROXY_HTTPS2)
curl.setopt(pycurl.RESOLVE, [f"localhost:{port}:{host}"])
curl.setopt(pycurl.HTTPPROXYTUNNEL, 1)
curl.setopt(pycurl.PROXY_CAINFO, options.root)
if options.certificate:
    curl.setopt(pycurl.PROXY_SSLCERT, options.certificate)
    curl.setopt(pycurl.PROXY_SSLKEY, options.key)
curl.setopt(pycurl.TIMEOUT, 20)
curl.setopt(pycurl.WRITEDATA, body)
curl.setopt(pycurl.VERBOSE, 1)
curl.setopt(pycurl.DEBUGFUNCTION, lambda kind, text: said.append((kind, text)))
sent = bytes(index * 7 % 256 for index in range(1024 * 1024))
if options.command == "post":
    curl.setopt(pycurl.POSTFIELDS, sent)

error = None
try:
    curl.perform()
except pycurl.error as failure:
    error = failure.args[0]
information = b"".join(text for kind, text in said if kind == pycurl.INFOTYPE_TEXT).decode("utf-8", "replace")
# Over HTTP/2 libcurl tells what the proxy answered nowhere else.
connect = re.search(r"CONNECT Response Status (\d+)", information)
print(
    json.dumps(
        {
            "version": pycurl.version_info()[1],
            "connect": int(connect[1]) if connect else None,
            "status": curl.getinfo(pycurl.RESPONSE_CODE),
            "http2": "CONNECT: 'h2' negotiated" in information,
            "text": body.getvalue()[:100].decode("utf-8", "replace"),
            "echoed": body.getvalue() == sent,
            "error": error,
            "information": information,
        }
    )
)
