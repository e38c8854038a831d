"""Polls many devices with pymodbus (3.16), each on a period, and counts turns that passed.
usage: pymodbus_paced.py SECONDS PERIOD_MS REGISTERS < one port a line
Prints polls a second and missed turns."""
import asyncio
import sys
import time

from pymodbus.client import AsyncModbusTcpClient

SECONDS, PERIOD, COUNT = float(sys.argv[1]), float(sys.argv[2]) / 1000, int(sys.argv[3])
PORTS = [int(line) for line in sys.stdin if line.strip()]
TOTALS = {"polls": 0, "missed": 0, "errors": 0}


async def device(nth, client, start):
    turn = 0
    while True:
        due = start + PERIOD * nth / len(PORTS) + turn * PERIOD
        if due > start + SECONDS:
            return
        ahead = due - time.perf_counter()
        if ahead > 0:
            await asyncio.sleep(ahead)
        elif -ahead > PERIOD:
            over = int(-ahead / PERIOD)
            turn += over
            TOTALS["missed"] += over
        try:
            answer = await client.read_input_registers(0, count=COUNT, device_id=1)
            TOTALS["errors" if answer.isError() else "polls"] += 1
        except Exception:
            TOTALS["errors"] += 1
        turn += 1


async def main():
    clients = []
    for port in PORTS:
        client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=5)
        await client.connect()
        clients.append(client)
    start = time.perf_counter()
    await asyncio.gather(*(device(nth, client, start) for nth, client in enumerate(clients)))
    took = time.perf_counter() - start
    print(TOTALS["polls"] / took, TOTALS["missed"], TOTALS["errors"])


asyncio.run(main())
