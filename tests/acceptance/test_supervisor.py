"""local.supervisor: what `make up` does with the processes that it runs."""

import asyncio
import os
import signal
import sys

from local.supervisor import _exit_code

# A process that ends at once and leaves one behind that keeps its output open.
LEAVES_OUTPUT_OPEN = """
import subprocess, sys
kept = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
print(kept.pid, flush=True)
sys.exit(3)
"""


async def test_the_end_of_a_process_is_noticed_while_its_output_is_kept_open():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LEAVES_OUTPUT_OPEN, stdout=asyncio.subprocess.PIPE
    )
    kept = int(await process.stdout.readline())
    try:
        async with asyncio.timeout(60):
            assert await _exit_code(process) == 3
    finally:
        os.kill(kept, signal.SIGKILL)
        await process.communicate()
