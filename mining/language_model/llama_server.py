"""The child process that holds llama.cpp: its HTTP server on loopback, until its standard input ends.

Run as a file by ``local_server``, never imported: a crash of the native code ends this process only. It reads one line
of JSON (``model``, ``name``, ``api_key``, ``threads``, ``context``) and answers with one line, the address. Its input
ends when the parent stops or dies, however that happens, so that no server is left behind.
"""

import json
import os
import sys
from typing import Any

PROMPT_CACHE_MIB = 256  # shots of two languages and some texts; the default of 8 GiB is more than our machine has


def _start(options: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options["model"]
    params.model_alias = {options["name"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [options["api_key"]]
    params.n_ctx = options["context"]
    params.n_parallel = 1
    params.cpuparams.n_threads = options["threads"]
    params.cpuparams_batch.n_threads = options["threads"]
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.ui = False
    params.cors_origins = ""
    params.offline = True
    params.verbosity = 0
    return xllamacpp.Server(params)


def main() -> None:
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever llama.cpp prints must not mix with our one line
    server = _start(json.loads(sys.stdin.readline()))
    answer.write(server.listening_address + "\n")
    answer.close()
    sys.stdin.read()
    os._exit(0)  # the native threads have nothing to save, and joining them can hang


if __name__ == "__main__":
    main()
